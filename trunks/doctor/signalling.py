"""Ports, digest, codecs and NAT: what one OPTIONS request to the carrier tells."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator

from trunks.doctor import sip
from trunks.doctor.findings import Finding, bad, doubt, good
from trunks.doctor.sip import Answer, NotSip, Request
from trunks.doctor.subject import Subject
from trunks.doctor.wire import Unanswered, Way, ask

_USER = "doctor"


async def probe(subject: Subject) -> AsyncIterator[Finding]:
    """Ask over each transport that the trunk may use; what else is found is told once."""
    told = False
    for transport in _transports(subject):
        answered, found = await _over(subject, transport)
        yield found
        if answered is not None and not told:
            told = True
            for finding in _more(subject, *answered):
                yield finding


def _transports(subject: Subject) -> tuple[str, ...]:
    return ("udp", "tcp") if subject.transport == "auto" else (subject.transport,)


_Answered = tuple[Answer, tuple[str, int], bool]


async def _over(subject: Subject, transport: str) -> tuple[_Answered | None, Finding]:
    part = f"sip over {transport}"
    way = Way(subject.host, subject.port, transport, _context() if transport == "tls" else None)
    name = subject.username or _USER

    def credentials(answer: Answer, request: Request) -> str:
        return sip.credentials(answer, request, subject.username, subject.password)

    try:
        answered = await ask(way, name, credentials if subject.password else None)
    except Unanswered as error:
        if subject.transport == "auto":
            return None, doubt(part, f"port {way.port}: {error}")
        return None, bad(part, f"port {way.port}: {error}", error.cause)
    except NotSip as error:
        return None, bad(part, f"port {way.port}: {error}", "nobody_listens")
    answer = answered[0]
    said = f"port {way.port} answers OPTIONS with {answer.status} {answer.reason}".rstrip()
    if answer.status == 408 or answer.status >= 500:
        return answered, doubt(part, said, "carrier_unavailable")
    return answered, good(part, said)


def _context() -> ssl.SSLContext:
    """Make a context that takes any certificate: that one is judged where TLS is."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _more(
    subject: Subject, answer: Answer, local: tuple[str, int], challenged: bool
) -> Iterator[Finding]:
    yield _digest(subject, answer, challenged)
    yield _codecs(subject, answer)
    yield from nat(subject, answer, local)


def _digest(subject: Subject, answer: Answer, challenged: bool) -> Finding:
    part = "digest"
    if not challenged:
        has = "has a password" if subject.password else "has none"
        return doubt(
            part,
            f"OPTIONS is answered without a question about who we are; the trunk {has}, and only "
            "an INVITE shows whether it is right: --call NUMBER",
        )
    if not subject.password:
        return bad(part, "the carrier asks for a password, and the trunk has none", _AUTH)
    if answer.status in (401, 403, 407):
        said = f"the carrier does not take user and password ({answer.status})"
        return bad(part, said, _AUTH)
    return good(part, "the carrier takes user and password")


_AUTH = "not_authenticated"


def _codecs(subject: Subject, answer: Answer) -> Finding:
    part = "codecs"
    offered = subject.codecs or ("PCMU", "PCMA", "G722")
    told = sip.codecs_in(answer.body)
    ours = ", ".join(offered)
    if not told:
        return good(part, f"{ours} are offered; which of them the carrier takes shows in a call")
    common = [name for name in offered if name in told]
    if not common:
        said = f"we offer {ours}, the carrier takes {', '.join(told)}"
        return bad(part, said, "no_common_codec")
    return good(part, f"common: {', '.join(common)}")


def nat(subject: Subject, answer: Answer, local: tuple[str, int]) -> Iterator[Finding]:
    """Compare our own address with the one that the carrier saw, and the one that is told to it."""
    part = "nat"
    seen, port = sip.seen_as(answer)
    own = local[0]
    if seen and seen != own:
        where = f"{seen}:{port}" if port else seen
        said = f"the carrier sees this machine as {where}, and its own address is {own}"
        yield doubt(part, said, "behind_nat")
    elif _is_private(own) and not _is_private(subject.host):
        yield doubt(part, f"our own address {own} is a private one", "behind_nat")
    else:
        yield good(part, f"the carrier sees our own address, {own}")
    for one in subject.delivered_to:
        if _is_private(one.host):
            said = f"calls are to be delivered to {one.address}, which no carrier can reach"
            yield bad(part, said, "behind_nat")


#: Addresses of homes, firms and providers' own networks (RFC 1918, 6598, 3927, 4193, 4291).
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)


def _is_private(host: str) -> bool:
    """Tell whether an address is of no use outside; a name, and one of this machine, is not."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return any(address in network for network in _PRIVATE)
