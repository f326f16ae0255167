"""What LiveKit needs so that a road's number is answered: a trunk and a dispatch rule for each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from livekit import api
from livekit.protocol import sip

from bench.stage import Stage
from tests.kit.calling_in import callable_in, numbers

OURS: Final = "+14155550190"
BASELINE: Final = "+14155550191"
#: How the rooms of the baseline's callers begin.
ROOMS: Final = "baseline-in"


@asynccontextmanager
async def ours_at(stage: Stage, number: str) -> AsyncGenerator[None]:
    """Have our agent answer a number, with the trunk and the rule that our inbound calls need."""
    running = callable_in(stage.description, number)
    await asyncio.to_thread(running.__enter__)
    try:
        await asyncio.to_thread(numbers, stage.description, "add", number)
        yield
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


@asynccontextmanager
async def baseline_at(stage: Stage, number: str, agent: str) -> AsyncGenerator[None]:
    """Have the baseline's worker answer a number: a plain trunk and a plain rule for it."""
    told = stage.description
    async with api.LiveKitAPI(
        told["livekit_url"], told["livekit_api_key"], told["livekit_api_secret"], failover=False
    ) as livekit:
        info = api.SIPInboundTrunkInfo(name="baseline", numbers=[number])
        trunk = await livekit.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=info))
        request = api.CreateSIPDispatchRuleRequest(
            dispatch_rule=_rule(trunk.sip_trunk_id, agent, stage.models_url)
        )
        rule = await livekit.sip.create_dispatch_rule(request)
        try:
            yield
        finally:
            gone = api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule.sip_dispatch_rule_id)
            await livekit.sip.delete_dispatch_rule(gone)
            await livekit.sip.delete_trunk(
                api.DeleteSIPTrunkRequest(sip_trunk_id=trunk.sip_trunk_id)
            )


def _rule(trunk_id: str, agent: str, models_url: str) -> sip.SIPDispatchRuleInfo:
    metadata = json.dumps({"models_url": models_url})
    dispatch = api.RoomAgentDispatch(agent_name=agent, metadata=metadata)
    individual = api.SIPDispatchRuleIndividual(room_prefix=ROOMS)
    return sip.SIPDispatchRuleInfo(
        name="baseline",
        trunk_ids=[trunk_id],
        rule=api.SIPDispatchRule(dispatch_rule_individual=individual),
        room_config=api.RoomConfiguration(agents=[dispatch]),
    )
