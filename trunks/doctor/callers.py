"""The number that callees see, and the trunk as LiveKit has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from telephony.errors import InvalidNumber
from telephony.numbers import E164
from trunks.doctor.findings import Finding, bad, doubt, good
from trunks.doctor.subject import Subject
from trunks.livekit_wanted import OUTBOUND
from trunks.resources import Found

_COMPARED = ("address", "transport", "username", "password", "encryption")


def in_livekit(found: Sequence[Found], subject: Subject) -> Found | None:
    """Give the outbound trunk that LiveKit dials by; None where it has none."""
    named = (one for one in found if one.what == OUTBOUND and one.label == subject.livekit_name)
    return next(named, None)


def probe(found: Sequence[Found], subject: Subject) -> Iterator[Finding]:
    """Compare the trunk in LiveKit with the wanted one, and both with its numbers."""
    there = in_livekit(found, subject)
    if there is None:
        said = f"LiveKit has no outbound trunk {subject.livekit_name}"
        yield bad("livekit trunk", said, "no_trunk")
    else:
        yield _as_wanted(there, subject)
    yield _numbers(there, subject)


def _as_wanted(there: Found, subject: Subject) -> Finding:
    part = "livekit trunk"
    differ = [name for name in _COMPARED if there.fields.get(name) != getattr(subject, name)]
    if differ:
        said = f"in LiveKit {', '.join(differ)} are not as {subject.origin} has them"
        return bad(part, f"{said}: {subject.made_so}")
    return good(part, f"{subject.livekit_name} is as {subject.origin} has it")


def _numbers(there: Found | None, subject: Subject) -> Finding:
    part = "caller id"
    if not subject.numbers:
        return bad(part, "no number belongs to the trunk", "caller_id")
    if not all(map(_is_e164, subject.numbers)):
        return doubt(part, "not all of its numbers are written in E.164", "caller_id")
    known = cast("tuple[str, ...]", there.fields.get("numbers") or ()) if there else ()
    if there is not None and set(known) != set(subject.numbers):
        said = f"LiveKit's trunk has other numbers: {subject.made_so}"
        return bad(part, said, "caller_id")
    return good(part, f"{len(subject.numbers)} numbers of the trunk may stand in From")


def _is_e164(number: str) -> bool:
    try:
        return str(E164.parse(number)) == number
    except InvalidNumber:
        return False
