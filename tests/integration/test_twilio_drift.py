"""What somebody changed or made by hand at Twilio is found, mended or taken over."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from tests.kit.twilio_standin import TwilioStandIn
from tests.kit.twilio_world import (
    FULL,
    NUMBER,
    OTHER_NUMBER,
    PASSWORD,
    a_file,
    a_trunk,
    an_account,
    an_outbound,
    applied,
    patience,
    picture,
    planned,
    the_adapter,
)
from trunks.apply import Outcome, apply
from trunks.desired import Desired
from trunks.errors import TrunkError
from trunks.importing import adoptions, only_adopting
from trunks.looking import look
from trunks.plan import plan
from trunks.steps import Action


async def test_what_somebody_changed_by_hand_is_found_and_mended() -> None:
    twilio = an_account()
    await applied(twilio, a_file(main=FULL))
    as_wanted = picture(twilio)
    [trunk] = twilio.state.of("TK")
    trunk.update(transfer_mode="enable-all", disaster_recovery_url=None)
    trunk["recording"]["mode"] = "record-from-ringing"
    twilio.state.of("OU")[0]["enabled"] = False
    del twilio.state.items[twilio.state.of("IP")[0]["sid"]]
    twilio.state.of("PN")[0]["trunk_sid"] = None
    trunk["_lists"].clear()
    drift = await planned(twilio, a_file(main=FULL))
    assert {step.key.kind for step in drift.pending} == {
        "trunk",
        "origination_url",
        "ip_address",
        "number",
        "trunk_credential_list",
        "trunk_ip_access_control_list",
    }
    await applied(twilio, a_file(main=FULL))
    assert picture(twilio) == as_wanted


async def test_a_disaster_recovery_url_that_is_no_longer_wanted_is_cleared() -> None:
    twilio = an_account()
    await applied(twilio, a_file(main=FULL))
    await applied(twilio, a_file())
    assert twilio.state.of("TK")[0]["disaster_recovery_url"] is None
    assert (await planned(twilio, a_file())).pending == ()


async def test_a_credential_that_somebody_added_to_our_list_is_taken_out() -> None:
    twilio = an_account()
    await applied(twilio, a_file())
    [ours] = twilio.state.of("CL")
    twilio.state.create_credential(
        ours["sid"], {"Username": "intruder", "Password": "Intruder-2026-long"}
    )
    await applied(twilio, a_file())
    assert [c["username"] for c in twilio.state.of("CR")] == ["acme"]


async def test_what_is_not_ours_is_never_touched() -> None:
    twilio = an_account(NUMBER, OTHER_NUMBER, "+14155550102")
    theirs = twilio.state.create_trunk({"FriendlyName": "PBX", "DomainName": "pbx.pstn.twilio.com"})
    listed = twilio.state.create_list("CL", {"FriendlyName": "PBX phones"})
    twilio.state.associate_list(theirs["sid"], "CL", listed["sid"])
    twilio.state.of("PN")[2]["trunk_sid"] = theirs["sid"]
    await applied(twilio, a_file())
    [ours] = twilio.state.of("TK", friendly_name="acme/main")
    added = {"Weight": "1", "Priority": "1", "Enabled": "true", "FriendlyName": "by hand"}
    twilio.state.create_origination_url(ours["sid"], {**added, "SipUrl": "sip:192.0.2.1"})
    before = picture(twilio)
    the_plan = await applied(twilio, a_file())
    assert picture(twilio) == before
    assert "not_ours" in await remarked(twilio, a_file())
    assert {one.label for one in the_plan.unmarked} == {
        "PBX",
        "PBX phones",
        "+14155550102",
        "sip:192.0.2.1",
    }


# -- what was made by hand


async def test_what_was_made_by_hand_is_taken_over_and_not_made_twice() -> None:
    twilio = an_account()
    by_hand = twilio.state.create_trunk(
        {"FriendlyName": "PBX", "DomainName": "acme-main.pstn.twilio.com"}
    )
    url = {"Weight": "1", "Priority": "1", "Enabled": "true", "FriendlyName": "the bridge"}
    twilio.state.create_origination_url(by_hand["sid"], {**url, "SipUrl": "sip:203.0.113.7:5060"})
    listed = twilio.state.create_list("CL", {"FriendlyName": "PBX phones"})
    twilio.state.create_credential(listed["sid"], {"Username": "acme", "Password": PASSWORD})
    twilio.state.associate_list(by_hand["sid"], "CL", listed["sid"])
    for number in twilio.state.of("PN"):
        number["trunk_sid"] = by_hand["sid"]
    made = {sid for sid in twilio.state.items if sid[:2] in ("TK", "OU", "CL", "CR")}
    await imported(twilio, a_file(), {"credential_list/main": listed["sid"]})
    # Only now is the trunk ours, and what hangs on it is looked at.
    await imported(twilio, a_file(), {})
    await applied(twilio, a_file())
    fresh = an_account()
    await applied(fresh, a_file())
    assert picture(twilio) == picture(fresh)
    assert made <= set(twilio.state.items)
    assert len(twilio.state.of("TK")) == len(twilio.state.of("CL")) == 1
    assert (await planned(twilio, a_file())).pending == ()


async def imported(twilio: TwilioStandIn, desired: Desired, named: dict[str, str]) -> None:
    """Do what `dialer trunks import` does."""
    with twilio.router():
        adapter = the_adapter(desired)
        found = await look([adapter], patience(1))
        wanted = adapter.wanted(desired)
        adopting = adoptions(wanted, found, named)
        steps = only_adopting(plan(wanted, found, adopting=adopting))
        results = await apply(steps, [adapter], patience=patience(1))
        await adapter.aclose()
    assert results and all(result.outcome is Outcome.DONE for result in results)


# -- passwords


async def test_a_new_password_is_written_and_an_old_one_is_not() -> None:
    twilio = an_account()
    await applied(twilio, a_file())
    changed = a_file(
        main=a_trunk(outbound=an_outbound(password=SecretStr("Another-one-of-2026-entirely")))
    )
    the_plan = await applied(twilio, changed)
    [step] = the_plan.pending
    assert (step.action, step.key.kind) == (Action.UPDATE, "credential")
    assert set(step.changes) == {"password_fingerprint"}
    assert twilio.state.of("CR")[0]["_password"] == "Another-one-of-2026-entirely"
    assert (await planned(twilio, changed)).pending == ()


async def test_a_password_that_twilio_repeats_is_crossed_out() -> None:
    twilio = an_account()
    weak = "password-without-a-digit"
    with pytest.raises(TrunkError) as refused:
        await applied(twilio, a_file(main=a_trunk(outbound=an_outbound(password=SecretStr(weak)))))
    assert (refused.value.code, "***" in refused.value.message) == ("refused", True)
    assert weak not in str(refused.value)


async def test_no_password_is_in_a_friendly_name_or_a_plan() -> None:
    twilio = an_account()
    the_plan = await applied(twilio, a_file())
    names = " ".join(str(item.get("friendly_name")) for item in twilio.state.items.values())
    assert PASSWORD not in names
    assert PASSWORD not in repr(the_plan)


async def test_a_password_is_set_again_where_that_is_asked_for() -> None:
    twilio = an_account()
    await applied(twilio, a_file())
    twilio.state.of("CR")[0]["_password"] = "Changed-by-hand-2026"
    assert (await planned(twilio, a_file())).pending == ()
    await applied(twilio, a_file(), renew_secrets=True)
    assert twilio.state.of("CR")[0]["_password"] == PASSWORD


# -- remarks


async def test_what_no_apply_can_change_is_remarked() -> None:
    twilio = an_account()
    desired = a_file(
        main=a_trunk(outbound=an_outbound(destination_country="GB"), symmetric_rtp=True)
    )
    await applied(twilio, desired)
    assert await remarked(twilio, desired) == {"country_not_permitted", "only_in_console"}
    twilio.countries["GB"] = True
    twilio.state.of("TK")[0]["symmetric_rtp_enabled"] = True
    assert await remarked(twilio, desired) == set()
    twilio.state.trial, twilio.status = True, "suspended"
    assert await remarked(twilio, desired) == {"trial_account", "account_not_active"}


async def remarked(twilio: TwilioStandIn, desired: Desired) -> set[str]:
    """Give the codes of what is remarked."""
    with twilio.router():
        adapter = the_adapter(desired)
        remarks = await adapter.remarks(desired)
        await adapter.aclose()
    assert all(remark.warning for remark in remarks)
    return {remark.code for remark in remarks}
