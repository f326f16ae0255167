"""A caller who knocks at a bridge from an address of its own, and goes away again.

Enough SIP to see who is let in: what a call then sounds like is sipp's and the carrier's business.
"""

from __future__ import annotations

import hashlib
import re
import socket
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

#: Units: seconds. What an idle bridge answers within milliseconds.
_PATIENCE = 20.0


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    text: str

    def header(self, name: str) -> str:
        """Give a header's value, empty where there is none."""
        found = re.search(rf"^{name}: *(.*?)\r$", self.text, re.MULTILINE | re.IGNORECASE)
        return found[1] if found else ""


@dataclass
class Knock:
    """One call.

    Shape: ``source`` is the address that it comes from; ``from_host`` is what its From header says
    and ``request_user`` whom its request's URI names, the usual unless told otherwise.
    """

    source: str
    port: int
    called: str
    caller: str = "+14155550177"
    from_host: str = ""
    request_user: str = ""
    username: str = ""
    password: str = ""
    call_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def uri(self) -> str:
        """Give whom the request is for."""
        return f"sip:{self.request_user or self.called}@127.0.0.1:{self.port}"

    def request(
        self, method: str, local_port: int, *, number: int = 1, to_tag: str = "", more: str = ""
    ) -> bytes:
        """Write a request; one of a number is of one transaction."""
        body = self._offer() if method == "INVITE" else ""
        lines = [
            f"{method} {self.uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.source}:{local_port};"
            f"branch=z9hG4bK{self.call_id}{number};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self.caller}@{self.from_host or self.source}>;tag={self.call_id[:8]}",
            f"To: <sip:{self.called}@127.0.0.1>{to_tag and f';tag={to_tag}'}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:caller@{self.source}:{local_port}>",
            *([more] if more else []),
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def credentials(self, challenge: str) -> str:
        """Answer a digest challenge (RFC 2617, without qop, as the bridge asks)."""
        told = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        who = _md5(f"{self.username}:{told['realm']}:{self.password}")
        what = _md5(f"INVITE:{self.uri}")
        parts = {
            "username": self.username,
            "realm": told["realm"],
            "nonce": told["nonce"],
            "uri": self.uri,
            "response": _md5(f"{who}:{told['nonce']}:{what}"),
        }
        given = ", ".join(f'{name}="{value}"' for name, value in parts.items())
        return f"Proxy-Authorization: Digest {given}, algorithm=MD5"

    def _offer(self) -> str:
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


@dataclass
class Door:
    """The way between a caller and the bridge, once it has knocked."""

    knock: Knock
    udp: socket.socket
    number: int = 1

    def ask(self, method: str, *, to_tag: str = "", more: str = "") -> None:
        """Send a request of the present transaction."""
        request = self.knock.request(
            method, self.udp.getsockname()[1], number=self.number, to_tag=to_tag, more=more
        )
        self.udp.sendto(request, ("127.0.0.1", self.knock.port))

    def answer(self) -> Answer:
        """Wait for a final response to the present transaction."""
        while True:
            text = self.udp.recv(65_536).decode()
            status = int(text.split(" ", 2)[1])
            heard = Answer(status, text)
            if status >= 200 and heard.header("CSeq").startswith(f"{self.number} "):
                return heard

    def give_credentials(self, challenged: Answer) -> None:
        """Acknowledge a challenge and knock again with the password."""
        self.ask("ACK", to_tag=challenged.header("To").partition("tag=")[2])
        self.number += 1
        self.ask("INVITE", more=self.knock.credentials(challenged.header("Proxy-Authenticate")))


@contextmanager
def knocking(knock: Knock, method: str = "INVITE") -> Generator[Door]:
    """Send a request, and take it back when the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((knock.source, 0))
        udp.settimeout(_PATIENCE)
        door = Door(knock, udp)
        door.ask(method)
        try:
            yield door
        finally:
            if method == "INVITE":
                door.ask("CANCEL")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
