"""A worker offers a call that came in: it is briefed, or told why not.

The call is written down before the answer, ringing, with the offering agent as its own: whoever
asks again under the same name gets the same call, and anybody else is told that it is taken. What
nobody owns leaves nothing behind. A blocked caller's call is written down as over. Where no agent
can speak, the dialer keeps the caller itself, and the worker is told that the call is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer import metrics
from dialer.calls import claims, takeover
from dialer.calls.briefing import dial_request
from dialer.calls.claims import Claim
from dialer.calls.record import record
from dialer.calls.store import Calls
from dialer.failpoints import Failpoint, passing
from dialer.inbound.admit import Admitted, admit
from dialer.inbound.arriving import FIRST, Came, write
from dialer.inbound.choice import Question
from dialer.inbound.lookup import find, offered_before
from dialer.inbound.numbers import Owned, read_called, read_caller
from dialer.problems import BadRequest
from dialer.wiring import Services
from telephony.call import CallStatus, EndedReason, new_call_id
from telephony.errors import NotFound, Refused
from telephony.events import OverflowWhy, RoutedBy
from telephony.worker_contract import InboundAnswer, InboundOffer, InboundRefused

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_REJECTED = "the number's webhook rejected the call"
_NOTHING_ELSE = "no agent could speak, and there was nothing else for the caller"


async def offer(offered: InboundOffer, worker_id: str, wired: Services) -> InboundAnswer:
    """Say what becomes of a call that came in.

    Errors: BadRequest ``invalid_value`` for a room that is not of this deployment; Unavailable.
    """
    prefixes = [one.realm.prefix for one in wired.livekits.all]
    if not offered.room.startswith(tuple(prefixes)):
        # Nobody would look after it: the dispatch rule must name its rooms so.
        raise BadRequest(
            "invalid_value",
            f"The room's name must begin with {' or '.join(prefixes)}.",
            field="room",
        )
    called, caller = read_called(offered.called), read_caller(offered.caller)
    now = wired.now()
    came = Came(str(new_call_id(now)), offered, worker_id, called, caller, now)
    came = await _routed(came, wired)
    try:
        answer = await _answer(came, wired)
    except IntegrityError:
        # The same call was offered by somebody else at this very moment.
        answer = await _answer(came, wired)
    metrics.INBOUND_OFFERS.labels(result=metrics.OFFERED[answer.refused]).inc()
    return answer


async def _routed(came: Came, wired: Services) -> Came:
    """Ask the number's webhook who answers, where it has one and the call is not known yet."""
    if wired.chooser is None or came.called is None:
        return came
    async with wired.database.reading() as connection:
        owned = await find(connection, came.called.digits)
        if owned is None or owned.inbound.webhook_url is None:
            return came
        if await offered_before(connection, came.offer.bridge_call_id) is not None:
            return came
    verdict = admit(owned.inbound, came.caller, now=came.now)
    if not isinstance(verdict, Admitted) or verdict.announcement is not None or verdict.overflow:
        return came
    caller_id = None if came.caller is None else came.caller.digits
    question = Question(came.call_id, owned.inbound.number, caller_id, came.now)
    return replace(came, choice=await wired.chooser.choose(owned.inbound, question))


@dataclass(frozen=True, slots=True)
class _Decided:
    """What becomes of a call.

    Shape: ``mine`` is None where nobody has to look after it; with ``why`` it is to be taken, there
    being no agent, and ``answer`` holds once somebody has it.
    """

    answer: InboundAnswer
    mine: Claim | None = None
    why: OverflowWhy | None = None


def _refused(why: InboundRefused) -> _Decided:
    return _Decided(InboundAnswer(refused=why))


async def _answer(came: Came, wired: Services) -> InboundAnswer:
    async with wired.database.transaction() as tx:
        known = await offered_before(tx, came.offer.bridge_call_id)
        owned = None if came.called is None else await find(tx, came.called.digits)
        if known is None:
            decided = await _first(tx, came, owned, wired)
        else:
            decided = await _again(tx, came, owned, known, wired)
    mine = decided.mine
    if mine is None:
        return decided.answer
    if known is None:
        passing(Failpoint.OFFER_AFTER_COMMIT)
        log.info("call received", call_id=mine.call_id, attempt_id=mine.attempt_id)
        await wired.signals.call_changed(mine.tenant_id, mine.call_id)
    if decided.why is None:
        return decided.answer
    overflow = wired.overflow_at(came.offer.room)
    if overflow is not None and await overflow.take(mine, decided.why):
        return decided.answer
    return await _nothing_after_all(mine, wired) or decided.answer


async def _nothing_after_all(mine: Claim, wired: Services) -> InboundAnswer | None:
    """End a call that no trunk takes on and for which there is no apology, unless it moved on."""
    async with wired.database.transaction() as tx:
        now = wired.now()
        if not await takeover.give_up(tx, mine, EndedReason.NO_AGENT, _NOTHING_ELSE, now=now):
            return None
    await wired.signals.call_changed(mine.tenant_id, mine.call_id)
    return InboundAnswer(refused=InboundRefused.NO_AGENT)


async def _first(tx: AsyncConnection, came: Came, owned: Owned | None, wired: Services) -> _Decided:
    """Decide about a call that is offered for the first time, and write it down."""
    verdict = admit(None if owned is None else owned.inbound, came.caller, now=came.now)
    if owned is None or verdict is InboundRefused.UNKNOWN_NUMBER:
        return _refused(InboundRefused.UNKNOWN_NUMBER)
    if isinstance(verdict, InboundRefused) or _rejected(came):
        return await _blocked(tx, came, owned)
    agent, variables = owned.inbound.agent, dict[str, str]()
    if came.choice is not None and came.choice.agent is not None:
        agent, variables = came.choice.agent, came.choice.variables
    takes = _takes(came, owned, wired)
    why = _nobody(verdict, takes=takes, usable=_usable(agent, variables, owned, wired))
    if why is OverflowWhy.AGENT_ERROR and not takes:
        return _refused(InboundRefused.NO_AGENT)
    mine, call = await write(tx, came, owned, verdict.announcement)
    if why is not None:
        return _Decided(InboundAnswer(refused=InboundRefused.TAKEN), mine, why)
    return _Decided(_briefed(call, mine, came, verdict.announcement, wired), mine)


async def _blocked(tx: AsyncConnection, came: Came, owned: Owned) -> _Decided:
    mine, _ = await write(tx, came, owned, None)
    message = _REJECTED if _rejected(came) else "the caller is blocked"
    await record(tx, claims.ending(mine, EndedReason.BLOCKED, message, came.now), now=came.now)
    return _Decided(InboundAnswer(refused=InboundRefused.BLOCKED), mine)


async def _again(
    tx: AsyncConnection, came: Came, owned: Owned | None, known: Row[Any], wired: Services
) -> _Decided:
    """Decide about a call that is written down, as it was decided then.

    Shape: whether an hour struck meanwhile or not. Where there was no agent, whoever was asked
    first may be at it still; one of those who take the call has it.
    """
    call: Any = await Calls(tx, known.tenant_id).lock(known.call_id)
    if call.ended_reason == EndedReason.BLOCKED.value:
        return _refused(InboundRefused.BLOCKED)
    if call.status == CallStatus.ENDED.value:
        return _refused(InboundRefused.OVER)
    if known.permit_asked_by != came.offer.asked_by or known.fence != FIRST:
        return _refused(InboundRefused.TAKEN)
    mine = Claim.of(known)
    verdict = None if owned is None else admit(owned.inbound, came.caller, now=call.queued_at)
    if owned is not None and isinstance(verdict, Admitted):
        usable = _usable(call.agent, call.variables, owned, wired)
        why = _nobody(verdict, takes=_takes(came, owned, wired), usable=usable)
        if why is not None:
            return _Decided(InboundAnswer(refused=InboundRefused.TAKEN), mine, why)
    return _Decided(_briefed(dict(call._mapping), mine, came, known.announcement, wired), mine)


def _rejected(came: Came) -> bool:
    return came.choice is not None and came.choice.result is RoutedBy.REJECTED


def _nobody(verdict: Admitted, *, takes: bool, usable: bool) -> OverflowWhy | None:
    """Say why no agent speaks with an admitted caller, None where one does."""
    if verdict.overflow and takes:
        return OverflowWhy.CLOSED
    return None if usable else OverflowWhy.AGENT_ERROR


def _takes(came: Came, owned: Owned, wired: Services) -> bool:
    overflow = wired.overflow_at(came.offer.room)
    return overflow is not None and overflow.can_take(owned)


def _usable(agent: str, variables: dict[str, str], owned: Owned, wired: Services) -> bool:
    try:
        wired.agents.resolve(agent, variables)
    except (NotFound, Refused) as error:
        log.error("inbound agent cannot be used", number_id=owned.id, code=error.code)
        return False
    return True


def _briefed(
    call: dict[str, Any], mine: Claim, came: Came, announcement: str | None, wired: Services
) -> InboundAnswer:
    request = dial_request(
        call,
        attempt_id=mine.attempt_id,
        fence=mine.fence,
        trunk_id=None,
        agents=wired.agents,
        tokens=wired.tokens,
        leg_identity=came.offer.leg_identity,
        announcement=announcement,
    )
    return InboundAnswer(request=request.to_metadata())
