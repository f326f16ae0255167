"""The outbound trunk in a real LiveKit."""

from __future__ import annotations

from livekit import api
from livekit.protocol.sip import SIPMediaEncryption, SIPOutboundTrunkInfo, SIPTransport

from dialer.adapters.livekit_session import LiveKitSession, NoSuchThing, translated
from dialer.calls.trunk import WantedTrunk
from telephony.errors import Unavailable

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
    """The port ``dialer.calls.trunk.Trunks`` over LiveKit's API."""

    def __init__(self, session: LiveKitSession) -> None:
        self._livekit = session

    async def ensure(self, wanted: WantedTrunk) -> str:
        """Make the trunk of this name be as wanted, once; gives its id."""
        try:
            async with translated():
                return await self._ensure(wanted)
        except NoSuchThing:
            # It went away between the listing and the change: the next look makes it anew.
            raise Unavailable("media_server_unavailable", "The trunk went away.") from None

    async def _ensure(self, wanted: WantedTrunk) -> str:
        sip = self._livekit.client.sip
        listed = await sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
        # Two dialers that start at once may each make one: the oldest stays.
        ours = sorted(
            (trunk for trunk in listed.items if trunk.name == wanted.name),
            key=lambda trunk: (trunk.created_at.ToNanoseconds(), trunk.sip_trunk_id),
        )
        target = _info(wanted)
        if not ours:
            request = api.CreateSIPOutboundTrunkRequest(trunk=target)
            return (await sip.create_outbound_trunk(request)).sip_trunk_id
        for spare in ours[1:]:
            await sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=spare.sip_trunk_id))
        kept = ours[0]
        if not _same(kept, target):
            await sip.update_outbound_trunk(kept.sip_trunk_id, target)
        return kept.sip_trunk_id


def _info(wanted: WantedTrunk) -> SIPOutboundTrunkInfo:
    return SIPOutboundTrunkInfo(
        name=wanted.name,
        address=wanted.address,
        transport=_TRANSPORTS[wanted.transport],
        numbers=list(wanted.numbers),
        auth_username=wanted.username,
        auth_password=wanted.password,
        media_encryption=_ENCRYPTION[wanted.media_encryption],
    )


def _same(is_: SIPOutboundTrunkInfo, target: SIPOutboundTrunkInfo) -> bool:
    return (
        is_.address == target.address
        and is_.transport == target.transport
        and list(is_.numbers) == list(target.numbers)
        and is_.auth_username == target.auth_username
        and is_.auth_password == target.auth_password
        and is_.media_encryption == target.media_encryption
    )
