"""The outbound trunks in a real LiveKit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from livekit import api
from livekit.protocol.sip import (
    SIPMediaEncryption,
    SIPOutboundTrunkInfo,
    SIPTransport,
)

from dialer.adapters.livekit_session import LiveKitSession, NoSuchThing, translated
from dialer.routing.trunk import Trunk
from telephony.errors import Unavailable
from trunks.livekit_wanted import metadata_mark, offer_codecs, offered_codecs

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_TRANSPORTS = {
    "auto": SIPTransport.SIP_TRANSPORT_AUTO,
    "udp": SIPTransport.SIP_TRANSPORT_UDP,
    "tcp": SIPTransport.SIP_TRANSPORT_TCP,
    "tls": SIPTransport.SIP_TRANSPORT_TLS,
}
_ENCRYPTION = {
    "disable": SIPMediaEncryption.SIP_MEDIA_ENCRYPT_DISABLE,
    "allow": SIPMediaEncryption.SIP_MEDIA_ENCRYPT_ALLOW,
    "require": SIPMediaEncryption.SIP_MEDIA_ENCRYPT_REQUIRE,
}


class LiveKitTrunks:
    """The port ``dialer.routing.keeper.OutboundTrunks`` over LiveKit's API."""

    def __init__(self, session: LiveKitSession) -> None:
        self._livekit = session
        self._refused: set[str] = set()

    async def ensure(self, wanted: Sequence[Trunk]) -> Mapping[str, str]:
        """Make these trunks be as wanted, each once; gives their ids by name."""
        try:
            async with translated():
                sip = self._livekit.client.sip
                listed = await sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
                ids = [(trunk.name, await self._taken(trunk, listed.items)) for trunk in wanted]
        except NoSuchThing:
            # It went away between the listing and the change: the next look makes it anew.
            raise Unavailable("media_server_unavailable", "The trunk went away.") from None
        return {name: trunk_id for name, trunk_id in ids if trunk_id is not None}

    async def _taken(self, wanted: Trunk, listed: Sequence[SIPOutboundTrunkInfo]) -> str | None:
        """Make one trunk; one that LiveKit cannot take keeps no other from being made."""
        try:
            trunk_id = await self._ensure(wanted, listed)
        except api.ServerError as error:
            if error.code != api.ServerErrorCode.INVALID_ARGUMENT:
                raise
            if wanted.name not in self._refused:
                self._refused.add(wanted.name)
                log.error("trunk refused by LiveKit", trunk=wanted.name, said=error.message)
            return None
        self._refused.discard(wanted.name)
        return trunk_id

    async def _ensure(self, wanted: Trunk, listed: Sequence[SIPOutboundTrunkInfo]) -> str:
        sip = self._livekit.client.sip
        # Two dialers that start at once may each make one: the oldest stays.
        ours = sorted(
            (trunk for trunk in listed if trunk.name == wanted.livekit_name),
            key=lambda trunk: (trunk.created_at.ToNanoseconds(), trunk.sip_trunk_id),
        )
        if not ours:
            request = api.CreateSIPOutboundTrunkRequest(
                trunk=_written_over(SIPOutboundTrunkInfo(), wanted)
            )
            return (await sip.create_outbound_trunk(request)).sip_trunk_id
        for spare in ours[1:]:
            await sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=spare.sip_trunk_id))
        kept = ours[0]
        target = _written_over(kept, wanted)
        if target != kept:
            await sip.update_outbound_trunk(kept.sip_trunk_id, target)
        return kept.sip_trunk_id


def _written_over(found: SIPOutboundTrunkInfo, wanted: Trunk) -> SIPOutboundTrunkInfo:
    """Give the trunk with all that is ours to say as wanted, and the rest as it was found."""
    target = SIPOutboundTrunkInfo()
    target.CopyFrom(found)
    target.name = wanted.livekit_name
    target.address = wanted.address
    target.transport = _TRANSPORTS[wanted.transport]
    target.destination_country = wanted.destination_country
    if sorted(found.numbers) != sorted(wanted.numbers):
        # Their order means nothing there.
        del target.numbers[:]
        target.numbers.extend(wanted.numbers)
    target.auth_username = wanted.username
    target.auth_password = wanted.password
    target.headers.clear()
    target.headers.update(wanted.headers)
    if wanted.deployment:
        # As `dialer trunks` marks it: else its next look would take it for a stranger's.
        target.metadata = metadata_mark(wanted.deployment)
    if wanted.codecs and offered_codecs(target.media) != wanted.codecs:
        offer_codecs(target.media, wanted.codecs)
    target.media_encryption = _ENCRYPTION[wanted.encryption]
    if wanted.codecs or target.media.HasField("encryption"):
        # The newer place of the same wish, where `dialer trunks` and others write it.
        target.media.encryption = target.media_encryption
    return target
