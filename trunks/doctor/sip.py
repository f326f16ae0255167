"""Just enough SIP to ask a carrier whether it is there: OPTIONS, its answer, and the digest.

Nothing of what comes in is trusted: it is bounded before it gets here, and what is not SIP is told
as NotSip. Source: RFC 3261 sections 7, 11 and 22; RFC 7616 for SHA-256; RFC 3581 for ``rport``.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

#: Units: bytes. What an answer to OPTIONS never needs.
MOST = 65_535
_MOST_HEADERS = 200
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6]\d\d)(?: (.*))?\Z")
#: Short forms of headers that are read here (RFC 3261 section 7.3.3).
_SHORT = {"v": "via", "i": "call-id", "l": "content-length", "f": "from", "t": "to"}
_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


class NotSip(Exception):
    """What came is no answer of SIP; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    reason: str
    headers: Mapping[str, tuple[str, ...]]
    body: str = field(repr=False)

    def header(self, name: str) -> str:
        """Give the first of a header's values, empty where there is none."""
        return (self.headers.get(name) or ("",))[0]


@dataclass(slots=True)
class Request:
    """An OPTIONS request; a next one of the same Call-ID is made by ``again``.

    Shape: ``local`` is our own host and port, as the socket has them.
    """

    uri: str
    transport: str
    local: str
    user: str
    number: int = 1
    call_id: str = field(default_factory=lambda: secrets.token_hex(12))
    tag: str = field(default_factory=lambda: secrets.token_hex(6))
    branch: str = field(default_factory=lambda: f"z9hG4bK{secrets.token_hex(10)}")
    authorization: str = field(default="", repr=False)

    def text(self) -> bytes:
        """Write it."""
        host = self.uri.partition("@")[2] or self.uri.partition(":")[2]
        lines = [
            f"OPTIONS {self.uri} SIP/2.0",
            f"Via: SIP/2.0/{self.transport.upper()} {self.local};branch={self.branch};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self.user}@{self.local}>;tag={self.tag}",
            f"To: <sip:{host}>",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.number} OPTIONS",
            f"Contact: <sip:{self.user}@{self.local};transport={self.transport}>",
            "Accept: application/sdp",
            *([self.authorization] if self.authorization else []),
            "Content-Length: 0",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def again(self, authorization: str) -> Request:
        """Make the next request of this Call-ID, with credentials."""
        return Request(
            self.uri,
            self.transport,
            self.local,
            self.user,
            self.number + 1,
            self.call_id,
            self.tag,
            authorization=authorization,
        )

    def is_answered_by(self, answer: Answer) -> bool:
        """Tell whether an answer is final and belongs to this very request."""
        ours = answer.header("call-id") == self.call_id
        return (
            ours
            and answer.status >= 200
            and answer.header("cseq").split()[:1] == [str(self.number)]
        )


def read(packet: bytes) -> Answer:
    """Read a response. Errors: NotSip."""
    if len(packet) > MOST:
        raise NotSip("the answer is far too long")
    head, _, body = packet.decode("utf-8", "replace").partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    matched = _STATUS_LINE.match(first)
    if matched is None:
        raise NotSip(f"the answer begins with {_printable(first, 40)!r}")
    if len(lines) > _MOST_HEADERS:
        raise NotSip("the answer has far too many headers")
    return Answer(int(matched[1]), _printable(matched[2] or "", 80), _headers(lines), body)


def _headers(lines: list[str]) -> dict[str, tuple[str, ...]]:
    headers: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            continue
        key = name.strip().lower()
        key = _SHORT.get(key, key)
        headers[key] = (*headers.get(key, ()), value.strip())
    return headers


def _printable(text: str, most: int) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:most])


def content_length(head: bytes) -> int:
    """Read how many bytes follow the headers; 0 where that is not told.

    Errors: NotSip.
    """
    told = re.search(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?$", head)
    length = int(told[1]) if told else 0
    if length > MOST:
        raise NotSip("the answer is far too long")
    return length


def seen_as(answer: Answer) -> tuple[str, int | None]:
    """Give the address and the port that the far end saw us come from; empty where not told."""
    via = answer.header("via").partition(",")[0]
    received = re.search(r";\s*received=\[?([0-9A-Fa-f.:]{2,45})\]?", via)
    port = re.search(r";\s*rport=(\d{1,5})\b", via)
    return received[1] if received else "", int(port[1]) if port else None


def credentials(answer: Answer, request: Request, username: str, password: str) -> str:
    """Answer a challenge; gives the header.

    Errors: NotSip where the challenge is none that can be answered.
    """
    proxy = answer.status == 407
    challenge = answer.header("proxy-authenticate" if proxy else "www-authenticate")
    if not challenge.lower().startswith("digest "):
        raise NotSip("it asks for credentials without a digest challenge")
    told = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(challenge)}
    algorithm = told.get("algorithm", "MD5").upper()
    if algorithm not in _HASHES or not told.get("nonce"):
        raise NotSip(f"it asks for a digest by {_printable(algorithm, 20)}, which nobody here does")
    given = _digest(told, _HASHES[algorithm], request.uri, username, password)
    parts = ", ".join(f'{name}="{value}"' for name, value in given.items() if name != "nc")
    counted = ", qop=auth, nc=00000001" if "cnonce" in given else ""
    name = "Proxy-Authorization" if proxy else "Authorization"
    return f"{name}: Digest {parts}, algorithm={algorithm}{counted}"


def _digest(
    told: Mapping[str, str], kind: str, uri: str, username: str, password: str
) -> dict[str, str]:
    def hashed(*parts: str) -> str:
        return hashlib.new(kind, ":".join(parts).encode(), usedforsecurity=False).hexdigest()

    # A value of theirs goes back in quotes: whoever puts a line's end into it is not followed.
    realm, nonce = (_printable(told.get(name, ""), 400) for name in ("realm", "nonce"))
    who, what = hashed(username, realm, password), hashed("OPTIONS", uri)
    given = {"username": username, "realm": realm, "nonce": nonce, "uri": uri}
    if opaque := told.get("opaque"):
        given["opaque"] = _printable(opaque, 400)
    if "auth" in told.get("qop", "").replace(" ", "").split(","):
        given["cnonce"] = secrets.token_hex(8)
        response = hashed(who, nonce, "00000001", given["cnonce"], "auth", what)
    else:
        response = hashed(who, nonce, what)
    return given | {"response": response}


def codecs_in(body: str) -> tuple[str, ...]:
    """Name the codecs of the audio in a session description, in upper case."""
    static = {"0": "PCMU", "8": "PCMA", "9": "G722"}
    audio = re.search(r"(?m)^m=audio \d{1,5} \S{1,40} ([\d ]{1,200})\r?$", body[:MOST])
    if audio is None:
        return ()
    named = dict(re.findall(r"(?m)^a=rtpmap:(\d{1,3}) ([\w.-]{1,30})/", body[:MOST]))
    found = (named.get(kind, static.get(kind, "")).upper() for kind in audio[1].split())
    return tuple(name for name in found if name and name != "TELEPHONE-EVENT")
