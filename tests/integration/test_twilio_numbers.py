"""Numbers at Twilio: where they point, and how they are bought."""

from __future__ import annotations

import pytest

from tests.kit.twilio_world import (
    NUMBER,
    OTHER_NUMBER,
    a_file,
    a_trunk,
    an_account,
    applied,
    planned,
    the_adapter,
)
from trunks.errors import TrunkError
from trunks.steps import Action


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
