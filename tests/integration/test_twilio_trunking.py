"""A file becomes trunks at Twilio, whatever happens on the way."""

from __future__ import annotations

import httpx
import pytest
import respx
from pydantic import SecretStr

from tests.kit.twilio_standin import API_KEY, API_SECRET, Killed, TwilioStandIn
from tests.kit.twilio_world import (
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

FULL = a_trunk(
    cnam=True,
    transfer="sip-only",
    disaster_recovery_url="https://example.com/sorry",
    recording="from-answer",
)


# -- the way there


async def test_an_empty_account_gets_the_whole_trunk() -> None:
    twilio = an_account()
    await applied(twilio, a_file(main=FULL))
    assert picture(twilio)["trunks"] == [
        {
            "friendly_name": "acme/main",
            "domain_name": "acme-main.pstn.twilio.com",
            "secure": False,
            "transfer_mode": "sip-only",
            "transfer_caller_id": "from-transferee",
            "cnam_lookup_enabled": True,
            "disaster_recovery_url": "https://example.com/sorry",
            "disaster_recovery_method": "POST",
            "recording": {"mode": "record-from-answer", "trim": "do-not-trim"},
            "urls": [
                ("sip:203.0.113.7:5060", 10, 10, True),
                ("sip:203.0.113.8:5061;transport=tls", 10, 20, True),
            ],
            "numbers": [NUMBER, OTHER_NUMBER],
            "lists": [("addresses", "acme/main"), ("credentials", picture(twilio)["lists"][1])],
        }
    ]
    assert picture(twilio)["credentials"] == [("acme", PASSWORD)]
    assert picture(twilio)["addresses"] == [("198.51.100.0", 28), ("203.0.113.7", 32)]


async def test_applying_again_writes_nothing() -> None:
    twilio = an_account()
    await applied(twilio, a_file(main=FULL))
    written = len(twilio.writes())
    again = await applied(twilio, a_file(main=FULL))
    assert again.pending == ()
    assert len(twilio.writes()) == written


async def test_a_trunk_no_longer_wanted_is_deleted_with_all_that_was_made_for_it() -> None:
    twilio = an_account()
    await applied(twilio, a_file(main=FULL))
    await applied(twilio, a_file(numbers={}, other=a_trunk(domain="acme-other")))
    assert [trunk["friendly_name"] for trunk in twilio.state.of("TK")] == ["acme/other"]
    assert len(twilio.state.of("CL")) == len(twilio.state.of("AL")) == 1
    assert [number["trunk_sid"] for number in twilio.state.of("PN")] == [None, None]


async def test_a_trunk_with_another_name_in_the_file_stays_the_same_trunk() -> None:
    twilio = an_account()
    await applied(twilio, a_file())
    [before] = twilio.state.of("TK")
    renamed = a_file(numbers={NUMBER: "first", OTHER_NUMBER: "first"}, first=a_trunk())
    await applied(twilio, renamed)
    [after] = twilio.state.of("TK")
    assert (after["sid"], after["friendly_name"]) == (before["sid"], "acme/first")
    assert (await planned(twilio, renamed)).pending == ()


# -- killed, and failing


async def test_killed_at_every_request_in_turn_it_ends_in_the_same_state() -> None:
    undisturbed = an_account()
    await applied(undisturbed, a_file(main=FULL))
    requests = len(undisturbed.exchanges)
    assert requests > 15
    # Killed before a request is killed after the one before it: the account cannot tell.
    for at in range(1, requests + 1):
        twilio = an_account()
        twilio.fail(at, Killed, after=True)
        with pytest.raises(Killed):
            await applied(twilio, a_file(main=FULL))
        await applied(twilio, a_file(main=FULL))
        assert picture(twilio) == picture(undisturbed), at
        assert (await planned(twilio, a_file(main=FULL))).pending == ()


async def test_killed_while_a_renamed_trunk_moves_it_ends_in_the_same_state() -> None:
    renamed = a_file(numbers={NUMBER: "first", OTHER_NUMBER: "first"}, first=a_trunk())
    undisturbed = an_account()
    await applied(undisturbed, a_file())
    before = len(undisturbed.exchanges)
    await applied(undisturbed, renamed)
    asked = undisturbed.exchanges[before:]
    for at in (number for number, exchange in enumerate(asked, start=1) if exchange.writes):
        twilio = an_account()
        await applied(twilio, a_file())
        twilio.fail(at, Killed, after=True)
        with pytest.raises(Killed):
            await applied(twilio, renamed)
        await applied(twilio, renamed)
        assert picture(twilio) == picture(undisturbed), at


@pytest.mark.parametrize(
    ("what", "after", "codes", "retry_after"),
    [
        # Of a request that follows another of the same step: something was done already.
        (429, False, {"rate_limited", "carrier_error"}, 2.0),
        (500, True, {"carrier_error"}, 2.0),
        (503, False, {"carrier_error"}, 2.0),
        (httpx.ReadTimeout, True, {"timeout"}, None),
        (httpx.ConnectTimeout, False, {"unreachable"}, None),
        (httpx.ConnectError, False, {"unreachable"}, None),
        (httpx.RemoteProtocolError, True, {"timeout"}, None),
    ],
)
async def test_a_failure_at_any_write_is_told_and_the_next_run_completes_it(
    what: int | type[BaseException], after: bool, codes: set[str], retry_after: float | None
) -> None:
    undisturbed = an_account()
    await applied(undisturbed, a_file(main=FULL))
    reads = len(undisturbed.exchanges) - len(undisturbed.writes())
    for at in range(reads + 1, len(undisturbed.exchanges) + 1, 3):
        twilio = an_account()
        twilio.fail(at, what, after=after, headers={"Retry-After": "2"})
        with pytest.raises(TrunkError) as failure:
            await applied(twilio, a_file(main=FULL))
        assert failure.value.code in codes
        assert failure.value.retryable
        assert failure.value.retry_after == retry_after
        assert failure.value.fix
        await applied(twilio, a_file(main=FULL))
        assert picture(twilio) == picture(undisturbed), at


# -- drift


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


# -- numbers


async def test_a_number_of_another_trunk_is_in_the_way() -> None:
    twilio = an_account()
    theirs = twilio.state.create_trunk({"FriendlyName": "PBX"})
    twilio.state.of("PN")[0]["trunk_sid"] = theirs["sid"]
    the_plan = await planned(twilio, a_file())
    [conflict] = [step for step in the_plan.pending if step.action is Action.CONFLICT]
    assert conflict.key.name == f"acme/{NUMBER}"
    assert conflict.found is not None and conflict.found.refs["trunk"] == theirs["sid"]


async def test_a_number_that_is_taken_meanwhile_is_named_with_its_trunk() -> None:
    twilio = an_account()
    desired = a_file()
    with twilio.router():
        adapter = the_adapter(desired)
        [number] = [w for w in adapter.wanted(desired) if w.key.name == f"acme/{NUMBER}"]
        theirs = twilio.state.create_trunk({"FriendlyName": "PBX"})
        twilio.state.of("PN")[0]["trunk_sid"] = theirs["sid"]
        with pytest.raises(TrunkError) as taken:
            await adapter.create(number, {number.refs["trunk"]: "TK" + "0" * 32})
        await adapter.aclose()
    assert taken.value.code == "number_taken"
    assert theirs["sid"] in taken.value.message


async def test_a_number_that_the_account_does_not_have_is_told_with_the_command_to_buy_it() -> None:
    twilio = an_account(NUMBER)
    with pytest.raises(TrunkError) as missing:
        await applied(twilio, a_file())
    assert missing.value.code == "number_not_owned"
    assert f"dialer trunks numbers buy {OTHER_NUMBER}" in missing.value.fix


async def test_a_number_moves_between_trunks_of_ours_in_one_request() -> None:
    twilio = an_account()
    two = {"main": a_trunk(), "second": a_trunk(domain="acme-second")}
    await applied(twilio, a_file(numbers={NUMBER: "main", OTHER_NUMBER: "second"}, **two))
    before = len(twilio.writes())
    await applied(twilio, a_file(numbers={NUMBER: "second", OTHER_NUMBER: "second"}, **two))
    [move] = twilio.writes()[before:]
    assert move.url.path.endswith(f"/IncomingPhoneNumbers/{twilio.state.of('PN')[0]['sid']}.json")
    assert {n["trunk_sid"] for n in twilio.state.of("PN")} == {move.form["TrunkSid"]}


async def test_a_number_is_searched_and_bought_only_when_asked_to() -> None:
    twilio = an_account(NUMBER)
    twilio.state.on_sale = ["+14155550199", "+12125550199"]
    with twilio.router():
        adapter = the_adapter(a_file())
        offered = await adapter.search_numbers("US", area_code=415)
        assert [number.phone_number for number in offered] == ["+14155550199"]
        assert twilio.writes() == []
        bought = await adapter.buy_number("+14155550199")
        assert twilio.state.items[bought]["phone_number"] == "+14155550199"
        assert await adapter.buy_number("+14155550199") == bought
        assert len(twilio.writes()) == 1
        await adapter.aclose()


async def test_a_number_that_somebody_else_bought_is_told() -> None:
    twilio = an_account()
    with twilio.router():
        adapter = the_adapter(a_file())
        with pytest.raises(TrunkError) as gone:
            await adapter.buy_number("+14155550199")
        await adapter.aclose()
    assert (gone.value.code, gone.value.retryable) == ("refused", False)
    assert "search again" in gone.value.fix


# -- refusals


async def test_wrong_credentials_are_told_and_nothing_is_tried() -> None:
    twilio = an_account()
    desired = a_file()
    wrong = desired.model_copy(
        update={
            "carriers": {
                "main": desired.carriers["main"].model_copy(
                    update={"auth_token": SecretStr("not the token")}
                )
            }
        }
    )
    with pytest.raises(TrunkError) as refused:
        await applied(twilio, wrong)
    assert (refused.value.code, refused.value.retryable) == ("credentials_refused", False)
    assert "carriers.main.account_sid" in refused.value.fix
    assert "not the token" not in str(refused.value)
    assert (len(twilio.exchanges), twilio.writes()) == (1, [])


async def test_an_api_key_serves_as_well_as_the_auth_token() -> None:
    twilio = an_account()
    desired = a_file()
    with_key = desired.carriers["main"].model_copy(
        update={
            "auth_token": None,
            "api_key": SecretStr(API_KEY),
            "api_secret": SecretStr(API_SECRET),
        }
    )
    await applied(twilio, desired.model_copy(update={"carriers": {"main": with_key}}))
    assert len(twilio.state.of("TK")) == 1


async def test_an_account_in_a_region_is_asked_there() -> None:
    twilio = an_account()
    desired = a_file()
    for fields, host in (
        ({"edge": "dublin"}, "trunking.twilio.com"),
        ({"edge": "dublin", "region": "ie1"}, "trunking.dublin.ie1.twilio.com"),
    ):
        carrier = desired.carriers["main"].model_copy(update=fields)
        await planned(twilio, desired.model_copy(update={"carriers": {"main": carrier}}))
        assert {e.url.host for e in twilio.exchanges if "Trunks" in e.url.path} == {host}
        twilio.exchanges.clear()


async def test_an_answer_of_something_between_us_and_twilio_is_told() -> None:
    router = respx.MockRouter()
    router.route().respond(200, html="<h1>Please log in</h1>")
    with router:
        adapter = the_adapter(a_file())
        with pytest.raises(TrunkError) as portal:
            await adapter.found()
        await adapter.aclose()
    assert (portal.value.code, portal.value.retryable) == ("carrier_error", False)


async def test_a_trial_account_that_has_its_trunk_is_told_what_to_do() -> None:
    twilio = an_account()
    twilio.state.trial = True
    twilio.state.create_trunk({"FriendlyName": "first"})
    with pytest.raises(TrunkError) as refused:
        await applied(twilio, a_file())
    assert "trial account has one trunk" in refused.value.fix
    assert not refused.value.retryable


async def test_a_domain_name_that_somebody_has_is_told() -> None:
    twilio = an_account()
    twilio.state.foreign_domains.add("acme-main.pstn.twilio.com")
    with pytest.raises(TrunkError) as refused:
        await applied(twilio, a_file())
    assert refused.value.code == "conflict"
    assert "write another one into `domain`" in refused.value.fix


async def test_a_domain_name_of_another_trunk_in_the_account_is_seen_before_anything_is_done() -> (
    None
):
    twilio = an_account()
    twilio.state.create_trunk({"FriendlyName": "PBX", "DomainName": "acme-main.pstn.twilio.com"})
    the_plan = await planned(twilio, a_file())
    assert [s.key.kind for s in the_plan.pending if s.action is Action.CONFLICT] == ["trunk"]


async def test_what_is_already_gone_is_no_error_to_delete() -> None:
    twilio = an_account()
    await applied(twilio, a_file())
    with twilio.router():
        adapter = the_adapter(a_file())
        found = [f for f in await adapter.found() if f.kind == "number"]
        for number in twilio.state.of("PN"):
            number["trunk_sid"] = None
        for one in found:
            await adapter.delete(one)
        await adapter.aclose()
    assert len(found) == 2


# -- how much is asked


async def test_each_list_is_fetched_once_whatever_the_number_of_trunks() -> None:
    twilio = an_account(*(f"+1415555{n:04d}" for n in range(100, 130)))
    trunks = {f"t{n}": a_trunk(domain=f"acme-{n}") for n in range(10)}
    numbers = {f"+1415555{n:04d}": f"t{n % 10}" for n in range(100, 130)}
    for n in range(5):
        twilio.state.create_trunk({"FriendlyName": f"theirs {n}"})
    await applied(twilio, a_file(numbers=numbers, **trunks))
    before = len(twilio.exchanges)
    assert (await planned(twilio, a_file(numbers=numbers, **trunks))).pending == ()
    assert len(twilio.exchanges) - before == 4 + 5 * len(trunks)


async def test_lists_of_many_pages_are_read_to_their_end() -> None:
    twilio = an_account()
    await applied(twilio, a_file(main=FULL))
    twilio.largest_page = 1
    assert (await planned(twilio, a_file(main=FULL))).pending == ()


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
