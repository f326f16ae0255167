"""Which trunk and rule of LiveKit would take a call to a number, and what stands in its way.

The same choice as the server makes, over what it lists. Source: github.com/livekit/protocol 1.50,
``sip/sip.go``: ``MatchTrunkDetailed``, ``matchAddrMasks``, ``MatchDispatchRuleIter`` and
``DispatchRulePriority``; ``livekit/sip.go``: ``NormalizeNumber``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from trunks.doctor.findings import Finding, bad, doubt, good
from trunks.livekit_wanted import INBOUND, RULE
from trunks.resources import Found

_NUMBER = re.compile(r"\+?[\d\- ()]+\Z")
#: What goes first where several rules fit: the kind of room, then a filter on either number.
_KINDS = {"direct": 0, "individual": 1, "callee": 2}
_OPEN = 100
_UNFILTERED = 1000


@dataclass(frozen=True, slots=True)
class Invite:
    """A call that comes in: the number called, who calls, and from which address."""

    called: str
    source: str
    caller: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """What would take it: the trunks that fit, and the rules in the order of their priority."""

    trunks: Sequence[Found]
    rules: Sequence[Found]
    open_rules: Sequence[Found]


def match(found: Sequence[Found], invite: Invite) -> Match:
    """Choose as the server does."""
    inbound = [one for one in found if one.what == INBOUND and _admits(one, invite)]
    named = [one for one in inbound if _same(invite.called, _texts(one, "numbers"))]
    # A trunk without numbers takes any, where none has the number itself.
    trunks = named or [one for one in inbound if not _texts(one, "numbers")]
    rules = [one for one in found if one.what == RULE and _fits(one, invite)]
    ours = [r for r in rules if trunks and trunks[0].id in _trunks_of(r)]
    anybodys = [rule for rule in rules if not _trunks_of(rule)]
    return Match(trunks, sorted(ours, key=_priority), sorted(anybodys, key=_priority))


def _admits(trunk: Found, invite: Invite) -> bool:
    callers = _texts(trunk, "only_callers")
    if callers and not _same(invite.caller, callers):
        return False
    networks = [one for one in map(_network, _texts(trunk, "allowed_addresses")) if one]
    # With no entry that can be read, everybody is let in.
    return not networks or any(_address(invite.source) in network for network in networks)


def _fits(rule: Found, invite: Invite) -> bool:
    # Numbers of rules are compared as they are written.
    callers, called = _texts(rule, "only_callers"), _texts(rule, "only_called")
    return (not callers or invite.caller in callers) and (not called or invite.called in called)


def _priority(rule: Found) -> tuple[int, str]:
    fields = rule.fields
    order = _KINDS.get(str(fields.get("rooms")), _OPEN)
    order += 0 if fields.get("pin") else _OPEN
    order += sum(_UNFILTERED for name in ("only_callers", "only_called") if not fields.get(name))
    return order, str(fields.get("room_prefix"))


def _trunks_of(rule: Found) -> list[str]:
    return [one for one in rule.refs.get("trunk", "").split(",") if one]


def _same(number: str, numbers: Sequence[str]) -> bool:
    return _normal(number) in map(_normal, numbers)


def _normal(number: str) -> str:
    if not _NUMBER.match(number):
        return number
    return "+" + re.sub(r"[+\- ()]", "", number)


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(text)


def _texts(found: Found, name: str) -> Sequence[str]:
    return cast("tuple[str, ...]", found.fields.get(name) or ())


def findings(found: Sequence[Found], invite: Invite, name: str) -> Iterator[Finding]:
    """Say what becomes of a call, where the trunk and the rule called ``name`` should take it."""
    part = "inbound"
    made = match(found, invite)
    if not made.trunks:
        yield bad(part, f"no inbound trunk takes it{_why_not(found, invite)}", "flood")
    elif len(made.trunks) > 1:
        named = ", ".join(_called(one) for one in made.trunks)
        yield bad(part, f"several inbound trunks take it: {named}", "ambiguous")
        return
    elif made.trunks[0].label != name:
        yield bad(part, f"the inbound trunk {_called(made.trunks[0])} takes it", "shadowed")
    else:
        yield good(part, f"the inbound trunk {name} takes it")
        yield from _asks(made.trunks[0])
    yield from _of_rules(made, name)


def _why_not(found: Sequence[Found], invite: Invite) -> str:
    has = [
        one for one in found if one.what == INBOUND and _same(invite.called, _texts(one, "numbers"))
    ]
    if not has:
        return ": none has the number"
    return f": {_called(has[0])} has the number, and does not admit {invite.source} or the caller"


def _asks(trunk: Found) -> Iterator[Finding]:
    if trunk.fields.get("username"):
        said = "it asks the caller for a password (realm LiveKit)"
        yield doubt("inbound", said, "wrong_password_in")


def _of_rules(made: Match, name: str) -> Iterator[Finding]:
    part = "rule"
    rules = [*made.rules, *made.open_rules]
    if not rules:
        if made.trunks:
            yield bad(part, "no dispatch rule takes it", "flood")
    elif rules[0].label != name:
        cause = "shadowed" if made.rules else "open_rule"
        yield bad(part, f"the dispatch rule {_called(rules[0])} takes it", cause)
    else:
        agents = ", ".join(_texts(rules[0], "agents")) or "nobody"
        yield good(part, f"the dispatch rule {name} takes it and asks for {agents}")
        if len(made.rules) > 1:
            others = ", ".join(_called(one) for one in made.rules[1:])
            yield doubt(part, f"behind it stand {others}", "shadowed")
    if made.open_rules and made.rules:
        said = f"{_called(made.open_rules[0])} takes calls of no trunk"
        yield doubt(part, said, "open_rule")


def _called(one: Found) -> str:
    return f"{one.label} ({one.id})" if one.label else one.id
