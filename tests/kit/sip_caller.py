"""A caller who sends one INVITE from an address of its own and hangs up again.

Enough SIP to knock on a door: what a call then sounds like is sipp's and the carrier's business.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Knock:
    """One INVITE.

    Shape: ``source`` is the address that it comes from; ``from_host`` is what its From header says,
    the same unless told otherwise.
    """

    source: str
    port: int
    called: str
    caller: str = "+14155550177"
    from_host: str = ""
    call_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def request(self, method: str, local_port: int, body: str = "") -> bytes:
        """Write a request of this call's first transaction."""
        target = f"sip:{self.called}@127.0.0.1:{self.port}"
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.source}:{local_port};branch=z9hG4bK{self.call_id};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self.caller}@{self.from_host or self.source}>;tag={self.call_id[:8]}",
            f"To: <sip:{self.called}@127.0.0.1>",
            f"Call-ID: {self.call_id}",
            f"CSeq: 1 {method}",
            f"Contact: <sip:caller@{self.source}:{local_port}>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def offer(self) -> str:
        """Write an offer of PCMU."""
        lines = [
            "v=0",
            f"o=- 1 1 IN IP4 {self.source}",
            "s=-",
            f"c=IN IP4 {self.source}",
            "t=0 0",
            "m=audio 40000 RTP/AVP 0",
            "a=rtpmap:0 PCMU/8000",
            "a=sendrecv",
        ]
        return "\r\n".join(lines) + "\r\n"


@contextmanager
def knocking(knock: Knock) -> Generator[socket.socket]:
    """Send the INVITE, and take it back when the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((knock.source, 0))
        local_port = udp.getsockname()[1]
        udp.sendto(knock.request("INVITE", local_port, knock.offer()), ("127.0.0.1", knock.port))
        try:
            yield udp
        finally:
            udp.sendto(knock.request("CANCEL", local_port), ("127.0.0.1", knock.port))
