"""Write the DialRequest: everything that the worker needs to know of one attempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialer.admission.agents import Agents
from dialer.tenants.tokens import Tokens
from telephony.call import CallType, Direction
from telephony.dial_request import DialRequest, Limits, Rescue


def room_name(deployment: str, attempt_id: str) -> str:
    """Name an attempt's room: unguessable, and nothing personal in it."""
    return f"{deployment}-{attempt_id}"


def dial_request(
    call: Mapping[str, Any],
    *,
    attempt_id: str,
    fence: int,
    trunk_id: str | None,
    agents: Agents,
    tokens: Tokens,
    other_trunks: bool = False,
    rescue: Rescue | None = None,
    leg_identity: str | None = None,
    announcement: str | None = None,
) -> DialRequest:
    """Brief the worker on one claimed attempt; ``call`` is a row of ``calls``.

    Errors: NotFound or Refused when the agents file changed and the call's agent or a variable is
    no longer there.
    """
    return DialRequest(
        call_id=call["id"],
        attempt_id=attempt_id,
        attempt_token=tokens.mint_attempt_token(attempt_id, call["tenant_id"], fence),
        call_type=CallType(call["call_type"]),
        direction=Direction(call["direction"]),
        phone_number=call["phone_number"],
        caller_id=call["caller_id"],
        trunk_id=trunk_id,
        other_trunks=other_trunks,
        limits=Limits(
            ring_timeout_seconds=call["ring_timeout_seconds"],
            max_duration_seconds=call["max_duration_seconds"],
        ),
        agent=agents.resolve(call["agent"], call["variables"]),
        leg_identity=leg_identity,
        announcement=announcement,
        rescue=rescue,
        variables=call["variables"],
        metadata=call["metadata"],
    )
