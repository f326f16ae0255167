"""A call to a test number by the road of every call, and what its outcome means."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from telephony.carrier_signs import Sign, sign
from trunks.doctor.findings import Finding, Verdict, bad, doubt, good
from trunks.doctor.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a test call.

    Shape: of a call that failed, ``sip_status`` and ``sip_reason`` are the carrier's, ``code``,
    ``http_status`` and ``message`` those of LiveKit's API. Of one that was answered, ``packets``
    counts the RTP that came in, ``loud`` tells whether any of it was audible, and ``echoed``
    whether what we said came back. Units: ``took`` in seconds.
    """

    answered: bool
    sip_status: int | None = None
    sip_reason: str = ""
    code: str = ""
    http_status: int = 0
    message: str = ""
    took: float = 0.0
    packets: int = 0
    loud: bool = False
    echoed: bool = False


class Phone(Protocol):
    """Who can place a test call through LiveKit, into a room of its own."""

    async def call(self, trunk_id: str, number: str, *, caller: str) -> Outcome:
        """Call, listen and hang up. Errors: TrunkError where LiveKit cannot be reached."""
        ...


#: What the bridge says, where there is no SIP code -> name of the explanation.
_WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), cause)
    for pattern, cause in (
        (r"no common encryption", "answered_in_clear"),
        (r"x509: certificate has expired|not yet valid", "expired_certificate"),
        (r"x509: certificate is (?:not )?valid for|cannot validate certificate for", "other_name"),
        (r"\bx509: ", "unknown_authority"),
        (r"certificate required", "client_certificate"),
        (r"\btls: ", "no_tls"),
        (r"no such host", "no_such_name"),
        (r"connection refused", "nobody_listens"),
        (r"max auth retry|required auth|no auth header", "not_authenticated"),
        (r"no common media|no common codec", "no_common_codec"),
        (r"no response from servers|no servers available|cpu exhausted", "no_bridge"),
        (r"transaction failed to complete|timed out|timeout", "no_answer"),
    )
)
_BY_STATUS = {
    401: "not_authenticated",
    403: "forbidden",
    404: "number_unknown",
    407: "not_authenticated",
    412: "precondition",
    415: "no_common_codec",
    484: "number_unknown",
    486: "busy",
    488: "no_common_codec",
    500: "carrier_unavailable",
    502: "carrier_unavailable",
    503: "carrier_unavailable",
    504: "carrier_unavailable",
    600: "busy",
    604: "number_unknown",
    606: "no_common_codec",
}
_BY_CODE = {
    "not_found": "no_trunk",
    "failed_precondition": "precondition",
    "canceled": "no_answer",
    "deadline_exceeded": "no_answer",
    "unavailable": "no_bridge",
}
#: Those after which the trunk itself is all right.
_NOT_THE_TRUNK = frozenset({"busy", "number_unknown", "blocked", "refused"})


def cause_of(outcome: Outcome) -> str:
    """Name the explanation of a call that was not answered."""
    said = sign(outcome.sip_status, outcome.sip_reason)
    if said is not None:
        return "too_fast" if said is Sign.FEWER else "blocked"
    if outcome.sip_status is not None:
        return _BY_STATUS.get(outcome.sip_status, "refused")
    for words, cause in _WORDS:
        if words.search(outcome.message):
            return cause
    return _BY_CODE.get(outcome.code, "refused")


async def probe(
    phone: Phone, subject: Subject, trunk_id: str, number: str, *, echoes: bool
) -> AsyncIterator[Finding]:
    """Call a number and judge what came of it; ``echoes`` where it plays back what it hears."""
    if subject.prefixes and not number.startswith(subject.prefixes):
        prefixes = ", ".join(subject.prefixes)
        yield doubt("number", f"calls to it do not leave by this trunk, which is for {prefixes}")
    caller = next((one for one in subject.numbers if one != number), "")
    outcome = await phone.call(trunk_id, number, caller=caller)
    if not outcome.answered:
        yield _refused(outcome)
        return
    yield good("call", f"answered after {outcome.took:.1f} s")
    yield audio(outcome, echoes=echoes)


def _refused(outcome: Outcome) -> Finding:
    cause = cause_of(outcome)
    verdict = Verdict.DOUBT if cause in _NOT_THE_TRUNK else Verdict.BAD
    return Finding("call", verdict, f"not answered: {in_words(outcome)}", cause)


def in_words(outcome: Outcome) -> str:
    """Say what was answered instead."""
    if outcome.sip_status is not None:
        return f"SIP {outcome.sip_status} {outcome.sip_reason}".rstrip()
    told = "".join(c if c.isprintable() else " " for c in outcome.message[:200])
    return f"LiveKit says {outcome.http_status} {outcome.code}: {told}".rstrip(": ")


def audio(outcome: Outcome, *, echoes: bool) -> Finding:
    """Judge the audio of a call that was answered."""
    part = "audio"
    if outcome.packets == 0:
        return bad(part, "no RTP came from the carrier", "not_heard_by_us")
    came = f"{outcome.packets} packets came"
    if outcome.echoed:
        return good(part, f"{came}, and what we said came back: both ways are open")
    if echoes:
        said = f"{came}, and what we said did not come back"
        return bad(part, said, "not_heard_by_them")
    heard = "and something was heard" if outcome.loud else "and all of them silent"
    return good(part, f"{came}, {heard}; whether we are heard shows a number that echoes: --echo")
