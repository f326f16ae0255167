"""Trunks and dispatch rules in LiveKit; its messages are made and read in ``livekit_messages``.

What LiveKit makes of them decides who may ring, so a few things are never left to it:

- A rule without trunks takes any INVITE, from anywhere (``MatchDispatchRuleIter``): ours name one.
- ``allowed_addresses`` skips an entry that it cannot read, and with none left it lets everybody in
  (``filterInvalidAddrMasks``, ``matchAddrMasks``): ours are networks, one to an entry. Even then an
  entry is also met by a From header with just that host, so a firewall has to stand in front of it.
- An individual rule names the room and the participant after the caller's number unless it is told
  to hide it (``EvaluateDispatchRule``): ours hides it, and the worker reads the two headers.
- ``inbound_numbers`` of a rule and ``allowed_numbers`` of a trunk filter the *caller*: ours have
  none.

Source: livekit-api 1.x, ``livekit/api/sip_service.py`` (where ``create_sip_outbound_trunk`` and the
like are deprecated for ``create_outbound_trunk``); livekit-server 1.13.5, ``pkg/service/sip.go``;
github.com/livekit/protocol 1.50, ``sip/sip.go`` and ``livekit/sip.go``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from livekit import api
from livekit.api.sip_service import SipService
from livekit.protocol.sip import (
    SIPInboundTrunkInfo,
    SIPOutboundTrunkInfo,
)

from trunks.errors import TrunkError
from trunks.livekit_messages import MAKERS, Info, id_of, read
from trunks.livekit_wanted import (
    RULE,
    LiveKitWishes,
    bears_mark,
    metadata_mark,
)
from trunks.resources import Complaint, Found, Key, Wanted

if TYPE_CHECKING:
    from trunks.desired import Desired, LiveKit

_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5)
_CHECK_KEYS = "Check LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET."


class LiveKitSip:
    """The adapter for one LiveKit."""

    def __init__(self, *, livekit: LiveKit, deployment: str, agent_name: str = "telephony") -> None:
        self._livekit = livekit
        self._wishes = LiveKitWishes(deployment, agent_name)
        self._session: aiohttp.ClientSession | None = None
        self._client: api.LiveKitAPI | None = None
        #: As last listed: an update starts from it, so that what is not ours to set stays.
        self._listed: dict[str, Info] = {}

    @property
    def place(self) -> str:
        """Name the place."""
        return self._wishes.place

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Say what the file wants in LiveKit."""
        return self._wishes.wanted(desired)

    def check(self, desired: Desired) -> Sequence[Complaint]:
        """Find nothing: what LiveKit would take and do something else with, the file cannot say."""
        return ()

    async def found(self) -> Sequence[Found]:
        """List both kinds of trunks and the rules, each with one request."""
        sip = self._sip
        async with _translated():
            outbound = await sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
            inbound = await sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
            rules = await sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())
        self._listed.clear()
        infos: list[Info] = [*outbound.items, *inbound.items, *rules.items]
        # Of two that carry one mark, the older is the one to keep.
        infos.sort(key=lambda info: (info.created_at.ToNanoseconds(), id_of(info)))
        return [self._told(info) for info in infos]

    async def create(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Make a trunk or a rule."""
        sip = self._sip
        info = self._composed(wanted, ids, None)
        async with _translated():
            if isinstance(info, SIPOutboundTrunkInfo):
                request = api.CreateSIPOutboundTrunkRequest(trunk=info)
                return self._told(await sip.create_outbound_trunk(request))
            if isinstance(info, SIPInboundTrunkInfo):
                return self._told(
                    await sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=info))
                )
            return self._told(
                await sip.create_dispatch_rule(api.CreateSIPDispatchRuleRequest(dispatch_rule=info))
            )

    async def update(self, found: Found, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Replace a trunk or a rule in place; what the file does not speak of stays as it is."""
        sip = self._sip
        info = self._composed(wanted, ids, self._listed.get(found.id))
        async with _translated():
            if isinstance(info, SIPOutboundTrunkInfo):
                return self._told(await sip.update_outbound_trunk(found.id, info))
            if isinstance(info, SIPInboundTrunkInfo):
                return self._told(await sip.update_inbound_trunk(found.id, info))
            return self._told(await sip.update_dispatch_rule(found.id, info))

    async def delete(self, found: Found) -> None:
        """Remove a trunk or a rule."""
        sip = self._sip
        try:
            async with _translated():
                if found.kind == RULE:
                    await sip.delete_dispatch_rule(
                        api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=found.id)
                    )
                else:
                    await sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=found.id))
        except TrunkError as error:
            if error.code != "not_found":
                raise

    async def aclose(self) -> None:
        """Close every connection."""
        if self._client is not None and self._session is not None:
            # The client leaves a session that was given to it to its owner.
            await self._client.aclose()
            await self._session.close()
        self._client = self._session = None

    @property
    def _sip(self) -> SipService:
        if self._client is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
            self._client = api.LiveKitAPI(
                self._livekit.url,
                self._livekit.api_key,
                self._livekit.api_secret.get_secret_value(),
                session=self._session,
                # A request that was sent again elsewhere would make a thing twice.
                failover=False,
            )
        return self._client.sip

    def _composed(self, wanted: Wanted, ids: Mapping[Key, str], base: Info | None) -> Info:
        info = MAKERS[wanted.key.kind](wanted, ids, base)
        info.name = wanted.key.name
        info.metadata = metadata_mark(self._wishes.deployment)
        return info

    def _told(self, info: Info) -> Found:
        kind, fields, refs = read(info)
        self._listed[id_of(info)] = info
        return Found(
            key=Key(self.place, kind, info.name) if self._is_ours(info) else None,
            id=id_of(info),
            fields=fields,
            refs=refs,
            label=info.name,
            kind=kind,
            claims=self._wishes.claims(kind, fields),
        )

    def _is_ours(self, info: Info) -> bool:
        """Want both marks: a thing that somebody made by hand and named alike is not ours."""
        if not info.name.startswith(f"{self._wishes.deployment}/"):
            return False
        return bears_mark(info.metadata, self._wishes.deployment)


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    """Turn what the client raises into a TrunkError."""
    try:
        yield
    except api.ServerError as error:
        raise _refusal(error) from error
    except TimeoutError as error:
        raise TrunkError("timeout", "LiveKit did not answer in time.", retryable=True) from error
    except (aiohttp.ClientError, OSError) as error:
        raise TrunkError(
            "unreachable", "LiveKit cannot be reached.", _CHECK_KEYS, retryable=True
        ) from error


#: What livekit-server says of things that get in each other's way -> code, and what to do.
_IN_THE_WAY = {
    "Conflicting inbound SIP Trunks": (
        "number_taken",
        "Another inbound trunk has the number: remove it there, or import that trunk.",
    ),
    "already exists in dispatch rule": ("conflict", "Remove that rule, or import it."),
}
#: Status -> code, what happened, and what to do.
_REFUSALS = {
    401: ("credentials_refused", "LiveKit does not take the key.", _CHECK_KEYS),
    403: ("not_permitted", "The key may not change trunks.", _CHECK_KEYS),
    404: ("not_found", "LiveKit lost it.", "Run the command again: it lists anew what is there."),
}


def _refusal(error: api.ServerError) -> TrunkError:
    if error.status == 429 or error.status >= 500:
        code = "rate_limited" if error.status == 429 else "carrier_error"
        return TrunkError(code, f"LiveKit failed: {error.message}.", retryable=True)
    if error.status in _REFUSALS:
        return TrunkError(*_REFUSALS[error.status])
    for words, (code, fix) in _IN_THE_WAY.items():
        if words in error.message:
            return TrunkError(code, f"LiveKit says: {error.message}.", fix)
    return TrunkError("refused", f"LiveKit says: {error.message}.", "Change trunks.yaml.")
