"""What calls come in by, in a real LiveKit: compared and mended as `dialer trunks apply` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog
from pydantic import SecretStr

from telephony.errors import Unavailable
from trunks.apply import Outcome, Result, apply
from trunks.desired import LiveKit
from trunks.errors import TrunkError
from trunks.kept import InboundTrunk
from trunks.livekit_sip import LiveKitSip
from trunks.livekit_wanted import LiveKitWishes
from trunks.looking import look
from trunks.patience import Patience
from trunks.plan import plan
from trunks.resources import Key
from trunks.steps import Action, Plan, Step

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: The keeper looks again by itself, and soon.
_ONCE = Patience(tries=1)


class LiveKitInboundTrunks:
    """The port ``dialer.routing.inbound_keeper.InboundTrunks`` over LiveKit's API."""

    def __init__(self, *, url: str, api_key: str, api_secret: str, deployment: str) -> None:
        livekit = LiveKit(url=url, api_key=api_key, api_secret=SecretStr(api_secret))
        self._livekit = LiveKitSip(livekit=livekit, deployment=deployment)
        self._wishes = LiveKitWishes(deployment)
        self._told: set[tuple[Key, str]] = set()

    async def ensure(self, wanted: Sequence[InboundTrunk]) -> None:
        """Make these be as wanted, each once."""
        things = [thing for trunk in wanted for thing in self._wishes.of_inbound(trunk)]
        try:
            found = await look([self._livekit], _ONCE)
        except TrunkError as error:
            raise Unavailable("media_server_unavailable", error.message) from None
        mending = _only_making(plan(things, found))
        self._tell(await apply(mending, [self._livekit], patience=_ONCE))

    async def close(self) -> None:
        """Close every connection."""
        await self._livekit.aclose()

    def _tell(self, results: Sequence[Result]) -> None:
        failed: set[tuple[Key, str]] = set()
        for one in results:
            what = str(one.step.key)
            if one.outcome is Outcome.DONE:
                log.info("inbound trunk mended", what=what, action=one.step.action.value)
            elif one.error is not None:
                failed.add((one.step.key, one.error.code))
                if (one.step.key, one.error.code) not in self._told:
                    log.error("inbound trunk not mended", what=what, code=one.error.code)
        self._told = failed


def _only_making(whole: Plan) -> Plan:
    """Leave out what is not wanted here: a file may be being applied at this very moment.

    Shape: of two that do the same, which two dialers can make at once, one goes.
    """
    wanted = {step.key for step in whole.steps if step.wanted is not None}

    def ours(step: Step) -> bool:
        return step.action is not Action.DELETE or step.key in wanted

    return replace(whole, steps=tuple(step for step in whole.steps if ours(step)))
