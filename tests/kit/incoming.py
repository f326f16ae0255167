"""Calls that come in, offered as a worker does."""

from __future__ import annotations

from typing import Any

import httpx

from dialer.inbound.numbers import described
from dialer.inbound.store import Numbers
from telephony.dial_request import DialRequest
from telephony.worker_contract import InboundAnswer, InboundRefused
from tests.kit.api import Api

OUR_NUMBER = "+14155550190"
CALLER = "+14155550150"


async def own(
    api: Api,
    number: str = OUR_NUMBER,
    *,
    tenant: str = "default",
    agent: str = "default",
    **how: Any,
) -> str:
    """Have a number answered; gives its id."""
    async with api.services.database.transaction() as tx:
        return await Numbers(tx, tenant).put(described(number, agent=agent, **how))


class Offering:
    """One worker that offers calls."""

    def __init__(self, api: Api, worker_id: str = "w1") -> None:
        token = api.services.tokens.mint_worker_token(worker_id)
        self.http = api.client(token)

    async def offer(self, bridge_call_id: str = "SCL_1", **fields: Any) -> httpx.Response:
        """Offer a call."""
        values: dict[str, Any] = {
            "asked_by": "a1",
            "bridge_call_id": bridge_call_id,
            "room": f"tel-in_0150_{bridge_call_id}",
            "leg_identity": "sip_1f",
            "called": OUR_NUMBER,
            "caller": CALLER,
        }
        return await self.http.post("/internal/inbound", json={**values, **fields})

    async def briefed(self, bridge_call_id: str = "SCL_1", **fields: Any) -> DialRequest:
        """Offer a call that is taken; gives the briefing."""
        answer = await self.offer(bridge_call_id, **fields)
        assert answer.status_code == 200, answer.text
        told = InboundAnswer.model_validate_json(answer.text)
        assert told.request is not None and told.refused is None, told.refused
        return DialRequest.from_metadata(told.request)

    async def refused(self, bridge_call_id: str = "SCL_1", **fields: Any) -> InboundRefused:
        """Offer a call that is refused; says why."""
        answer = await self.offer(bridge_call_id, **fields)
        assert answer.status_code == 200, answer.text
        told = InboundAnswer.model_validate_json(answer.text)
        assert told.refused is not None and told.request is None
        return told.refused
