"""What Twilio refuses is told with what to do about it."""

from __future__ import annotations

import pytest
import respx
from pydantic import SecretStr

from tests.kit.twilio_standin import API_KEY, API_SECRET
from tests.kit.twilio_world import (
    a_file,
    an_account,
    applied,
    planned,
    the_adapter,
)
from trunks.errors import TrunkError
from trunks.steps import Action


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
