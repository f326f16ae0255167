"""The dialer, as the worker sees it: permits, events, presence, over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import Enum
from secrets import token_hex
from typing import Final, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from agent.logs import get_logger
from telephony.worker_contract import (
    Acknowledged,
    EventBatch,
    HandedOver,
    HandOver,
    InboundAnswer,
    InboundOffer,
    Job,
    LiveKitName,
    Permit,
    PermitRequest,
    Return,
    Returned,
    ReturnReason,
    Standing,
    TakeOver,
    Welcome,
    WorkerPresence,
)

_TIMEOUT: Final = aiohttp.ClientTimeout(total=5, connect=2)
#: A process of the dialer that stands still must be left before the worker is taken for lost, which
#: is after PRESENCE_SILENT; where there is only one, there is no haste.
_PRESENCE_TIMEOUT: Final = aiohttp.ClientTimeout(total=1.2)
_PERMIT_PATIENCE: Final = 6.0
#: A caller hears ringing meanwhile. Where there is no agent, an answer may take nine seconds: two
#: for the number's webhook, seven for a turn of the trunk to the overflow number. Who asks again
#: before is told the same; to wait for so long at a process that stands still would be more than
#: the dialer's ``WITH_AGENT``.
_OFFER_PATIENCE: Final = 15.0
#: For how long the dialer is told that an asking is over; after it the reaper has found out.
_WITHDRAWAL_PATIENCE: Final = 60.0
_TAKEOVER_PATIENCE: Final = 2.0
#: It finds a trunk and waits for its pace before it answers.
_HANDOVER_TIMEOUT: Final = aiohttp.ClientTimeout(total=12, connect=2)

_Model = TypeVar("_Model", bound=BaseModel)

log = get_logger(__name__)


class PermitAnswer(Enum):
    """What the dialer said when asked for the one permit of an attempt."""

    GRANTED = "granted"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


class Rejected(Exception):
    """The dialer will never take this, however often it is sent."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the dialer answered {status}")
        self.status = status


class Unreachable(Exception):
    """The dialer could not be asked now; try again."""


#: Answers after which sending the same thing again is of no use.
_FINAL: Final = frozenset({400, 401, 403, 404, 405, 409, 410, 413, 415, 422})


class DialerClient:
    """The internal routes of the dialer, at whichever of its processes answers.

    Shape: ``urls`` are the addresses of its processes, the preferred one first; where one cannot be
    reached, the next request goes to the next one, and later ones too. A worker that one API alone
    hears of would be taken for lost with it, and its conversations with it. ``livekit`` is the one
    whose jobs are asked for.

    It belongs to the event loop that made it; calls from the loops of jobs go through
    ``agent.front_office``.
    """

    def __init__(
        self,
        urls: Sequence[str],
        worker_id: str,
        worker_token: str,
        *,
        livekit: LiveKitName = LiveKitName.OWN,
    ) -> None:
        self._bases = tuple(url.rstrip("/") + "/internal" for url in urls)
        self._turn = 0
        self._worker_id = worker_id
        self._worker_token = worker_token
        self._livekit = livekit
        self._session: aiohttp.ClientSession | None = None
        self._withdrawals: set[asyncio.Task[None]] = set()
        #: Called with what the dialer wants to be ready here.
        self.on_welcome: Callable[[Welcome], None] = lambda _: None
        #: Called with the token of an attempt that another agent has by now.
        self.on_superseded: Callable[[str], None] = lambda _: None

    async def aclose(self) -> None:
        """Close its connections."""
        for withdrawal in list(self._withdrawals):
            withdrawal.cancel()
        await asyncio.gather(*self._withdrawals, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def permit(self, attempt_id: str, token: str) -> PermitAnswer:
        """Ask for the permit to dial.

        Errors: none. A network error is tried again for some seconds: should the first answer have
        been lost, the same asking gets it again. One that hears nothing is withdrawn behind its
        back, for the permit may be given all the same, and nobody would dial.
        """
        asking = PermitRequest(asked_by=token_hex(8))
        answer = PermitAnswer.UNREACHABLE
        try:
            answer = await self._ask(attempt_id, token, asking)
        finally:
            # Also where whoever asks was cancelled.
            if answer is PermitAnswer.UNREACHABLE:
                self._withdraw(f"/attempts/{attempt_id}/permit/withdraw", token, asking)
        return answer

    async def _ask(self, attempt_id: str, token: str, asking: PermitRequest) -> PermitAnswer:
        path = f"/attempts/{attempt_id}/permit"
        give_up = time.monotonic() + _PERMIT_PATIENCE
        while True:
            try:
                granted = _read(Permit, await self._send("POST", path, token, asking)).granted
                return PermitAnswer.GRANTED if granted else PermitAnswer.REFUSED
            except Rejected as refusal:
                log.info("permit_refused", attempt_id=attempt_id, status=refusal.status)
                return PermitAnswer.REFUSED
            except Unreachable:
                if time.monotonic() >= give_up:
                    return PermitAnswer.UNREACHABLE
                await asyncio.sleep(0.25)

    def _withdraw(self, path: str, token: str, asking: PermitRequest) -> None:
        withdrawal = asyncio.create_task(self._tell(path, token, asking))
        self._withdrawals.add(withdrawal)
        withdrawal.add_done_callback(self._withdrawals.discard)

    async def _tell(self, path: str, token: str, asking: PermitRequest) -> None:
        give_up = time.monotonic() + _WITHDRAWAL_PATIENCE
        while time.monotonic() < give_up:
            try:
                await self._send("POST", path, token, asking)
            except Rejected:
                return  # over by now, or another agent's
            except Unreachable:
                await asyncio.sleep(1)
            else:
                return

    async def return_permit(self, attempt_id: str, token: str, why: ReturnReason) -> bool:
        """Give back the permit, nobody having been rung with it; say whether it was taken.

        Errors: none. A network error is tried again for a few seconds; a second return is taken
        like the first.
        """
        give_up = time.monotonic() + _PERMIT_PATIENCE
        while True:
            try:
                path = f"/attempts/{attempt_id}/permit/return"
                body = await self._send("POST", path, token, Return(why=why))
                return _read(Returned, body).returned
            except Rejected as refusal:
                log.info("permit_not_returned", attempt_id=attempt_id, status=refusal.status)
                return False
            except Unreachable:
                if time.monotonic() >= give_up:
                    return False
                await asyncio.sleep(0.25)

    async def events(self, attempt_id: str, token: str, batch: EventBatch) -> int:
        """Deliver events; give the sequence up to which all are stored.

        Errors: Rejected where the dialer will never take them, Unreachable else.
        """
        body = await self._send("POST", f"/attempts/{attempt_id}/events", token, batch)
        answer = _read(Acknowledged, body)
        if answer.superseded:
            self.on_superseded(token)
        return answer.acknowledged

    async def offer(self, offer: InboundOffer) -> InboundAnswer | None:
        """Offer a call that came in; None where the dialer cannot be reached, or does not know how.

        Errors: none. A network error is tried again while the caller rings: the same asking gets
        the same answer.
        """
        give_up = time.monotonic() + _OFFER_PATIENCE
        while True:
            try:
                body = await self._send("POST", "/inbound", self._worker_token, offer)
                return _read(InboundAnswer, body)
            except Rejected as refusal:
                log.error("offer_rejected", status=refusal.status)
                return None
            except Unreachable:
                if time.monotonic() >= give_up:
                    return None
                await asyncio.sleep(0.25)

    async def is_current(self, attempt_id: str, token: str) -> bool:
        """Ask whether the attempt is still ours.

        Errors: none. Where nobody says otherwise, it is.
        """
        try:
            return _read(
                Standing, await self._send("GET", f"/attempts/{attempt_id}", token, None)
            ).current
        except (Rejected, Unreachable):
            return True

    async def take_over(self, attempt_id: str, token: str) -> bool:
        """Ask to be the one that takes a conversation over.

        Errors: none. Who hears no answer leaves it to others.
        """
        path, wish = f"/attempts/{attempt_id}/takeover", TakeOver(worker_id=self._worker_id)
        give_up = time.monotonic() + _TAKEOVER_PATIENCE
        while True:
            try:
                return _read(Standing, await self._send("POST", path, token, wish)).current
            except Rejected:
                return False
            except Unreachable:
                if time.monotonic() >= give_up:
                    return False
                await asyncio.sleep(0.25)

    async def hand_over(self, attempt_id: str, token: str, told: HandOver) -> bool:
        """Offer a caller who was not answered to the dialer; say whether it has the call now.

        Errors: none. Where no answer is heard in time, the agent does what it can itself.
        """
        give_up = time.monotonic() + _TAKEOVER_PATIENCE
        while True:
            try:
                path = f"/attempts/{attempt_id}/handover"
                body = await self._send("POST", path, token, told, timeout=_HANDOVER_TIMEOUT)
                return _read(HandedOver, body).taken
            except Rejected:
                return False
            except Unreachable:
                if time.monotonic() >= give_up:
                    return False
                await asyncio.sleep(0.25)

    async def presence(self, presence: WorkerPresence) -> None:
        """Say that this worker is here.

        Errors: Rejected, Unreachable.
        """
        path = f"/workers/{self._worker_id}"
        timeout = _PRESENCE_TIMEOUT if len(self._bases) > 1 else _TIMEOUT
        body = await self._send("PUT", path, self._worker_token, presence, timeout=timeout)
        if body:
            self.on_welcome(_read(Welcome, body))

    async def job(self, free: int) -> Job | None:
        """Wait for a job while so many seats are free; None where there is none yet.

        Errors: Rejected, Unreachable.
        """
        path = f"/workers/{self._worker_id}/job?free={free}&livekit={self._livekit.value}"
        body = await self._send("GET", path, self._worker_token, None)
        return _read(Job, body) if body else None

    async def _send(
        self,
        method: str,
        path: str,
        token: str,
        body: BaseModel | None,
        *,
        timeout: aiohttp.ClientTimeout = _TIMEOUT,
    ) -> bytes:
        turn = self._turn
        try:
            return await self._sent(method, self._bases[turn] + path, token, body, timeout)
        except Unreachable:
            # Requests that failed together move on once.
            if self._turn == turn:
                self._turn = (turn + 1) % len(self._bases)
            raise

    async def _sent(
        self,
        method: str,
        url: str,
        token: str,
        body: BaseModel | None,
        timeout: aiohttp.ClientTimeout,
    ) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else body.model_dump_json()
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, timeout=timeout
            ) as response:
                if response.status in _FINAL:
                    raise Rejected(response.status)
                if response.status >= 300:
                    raise Unreachable(f"the dialer answered {response.status}")
                return await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(type(error).__name__) from error


def _read(model: type[_Model], body: bytes) -> _Model:
    """Read an answer; one that nobody understands came from something else than the dialer."""
    try:
        return model.model_validate_json(body)
    except ValidationError:
        raise Unreachable("an answer that was not understood") from None
