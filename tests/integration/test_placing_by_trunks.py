"""Calls are placed with several trunks: which numbers they may come from, and where they may go."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from dialer.adapters.tables import attempts
from dialer.routing.directory import Directory
from dialer.routing.trunk import Trunk
from tests.kit.api import OWN_NUMBERS, Api, changed
from tests.kit.placing import SIP, placed
from tests.kit.trunks import InMemoryTrunks, trunk

pytestmark = pytest.mark.asyncio

LONDON = "+442079460001"
CALLEE_IN_LONDON = "+442079460000"


async def _with(api: Api, *trunks: Trunk) -> Api:
    """Give the same application with these trunks beside the one of the settings."""
    kept = InMemoryTrunks()
    for one in trunks:
        await kept.put(one)
    return changed(api, directory=Directory(api.services.settings, kept))


async def _refused(api: Api, body: dict[str, Any]) -> tuple[int, str, str]:
    async with api.client() as client:
        answer = await client.post("/calls", json=SIP | body)
    told = answer.json()
    return answer.status_code, told["code"], told["field"]


async def test_a_call_comes_from_a_number_of_the_trunk_that_would_carry_it(api: Api) -> None:
    api = await _with(api, trunk("uk", prefixes=("+44",), numbers=(LONDON,)))
    async with api.client() as client:
        assert (await placed(client))["caller_id"] == OWN_NUMBERS[0]
        there = await placed(client, SIP | {"phone_number": CALLEE_IN_LONDON})
    assert (there["caller_id"], there["trunk"]) == (LONDON, None)


async def test_the_numbers_of_every_trunk_may_be_asked_for(api: Api) -> None:
    api = await _with(api, trunk("spare", numbers=("+14155550190",)))
    async with api.client() as client:
        body = SIP | {"caller_id": "+14155550190"}
        assert (await placed(client, body))["caller_id"] == "+14155550190"
    wrong = {"caller_id": "+14155550191"}
    assert await _refused(api, wrong) == (403, "caller_id_not_owned", "caller_id")


async def test_a_call_that_no_trunk_could_carry_is_refused_and_not_queued_for_ever(
    api: Api,
) -> None:
    narrow = trunk("outbound", prefixes=("+1415",), numbers=OWN_NUMBERS)
    api = await _with(api, narrow, trunk("uk", prefixes=("+44",), numbers=(LONDON,)))
    code = "no_trunk_for_destination"
    assert await _refused(api, {"phone_number": "+12125550100"}) == (403, code, "phone_number")
    # A trunk goes there, and not from this number.
    wanted = {"phone_number": CALLEE_IN_LONDON, "caller_id": OWN_NUMBERS[0]}
    assert await _refused(api, wanted) == (403, code, "phone_number")


async def test_a_trunk_that_is_not_enabled_is_none(api: Api) -> None:
    api = await _with(api, trunk("spare", numbers=("+14155550190",), enabled=False))
    wanted = {"caller_id": "+14155550190"}
    assert await _refused(api, wanted) == (403, "caller_id_not_owned", "caller_id")


async def test_the_record_names_the_trunk(api: Api) -> None:
    async with api.client() as client:
        call = await placed(client)
        async with api.services.database.transaction() as tx:
            mine = update(attempts).where(attempts.c.call_id == call["id"])
            await tx.execute(mine.values(trunk="outbound"))
        assert (await client.get(f"/calls/{call['id']}")).json()["trunk"] == "outbound"
        assert (await client.get("/calls")).json()["calls"][0]["trunk"] == "outbound"


async def test_every_trunk_is_told_in_figures(api: Api) -> None:
    api = await _with(api, trunk("spare", concurrency=30))
    async with api.client() as client:
        told = (await client.get("/metrics")).text.splitlines()
    assert 'telephony_trunk_calls{trunk="outbound"} 0.0' in told
    assert 'telephony_trunk_slots{trunk="spare"} 30.0' in told
    assert 'telephony_trunk_left_alone{trunk="spare"} 0.0' in told
    # Of what was not seen nothing is said.
    assert not any(line.startswith("telephony_trunk_answer_seizure_ratio{") for line in told)
