"""Recognises ours in what Twilio tells: by the mark in a friendly name, or by what it is in.

Trunks, lists, origination URLs and addresses bear the mark in their own friendly name. A credential
has no such name: it is ours if its list is. A number is ours while it belongs to a trunk of ours.
An origination URL or an address that somebody made by hand on a trunk of ours holds its place
there, so that it is imported instead of made once more.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from trunks.resources import Found, Key, Value
from trunks.twilio_account import Item
from trunks.twilio_wanted import canonical_trunk, unnamed


@dataclass(slots=True)
class Listing:
    """All that was listed at one account.

    Shape: ``below`` has, by kind, what is in trunks and lists of ours.
    """

    place: str
    #: What every mark of ours begins with.
    ours: str
    trunks: Sequence[Item]
    credential_lists: Sequence[Item]
    access_lists: Sequence[Item]
    numbers: Sequence[Item]
    below: dict[str, list[Item]] = field(default_factory=dict[str, list[Item]])

    def marks(self) -> dict[str, str]:
        """Give the mark of every trunk and list, by id; empty where it is not ours."""
        items = (*self.trunks, *self.credential_lists, *self.access_lists)
        return {item.id: mark_of(item.name, self.ours) for item in items}

    def found(self) -> list[Found]:
        """Give all of it as the engine compares it."""
        marks = self.marks()
        return [
            *(self._trunk(item, marks[item.id]) for item in self.trunks),
            *self._lists(marks),
            *self._credentials(marks),
            *self._entries("ip_address", "ip_access_control_list", marks),
            *self._entries("origination_url", "trunk", marks),
            *self._associations("credential_list", marks),
            *self._associations("ip_access_control_list", marks),
            *self._numbers(marks),
        ]

    def _key(self, kind: str, name: str) -> Key | None:
        return Key(self.place, kind, name) if name else None

    def _trunk(self, item: Item, mark: str) -> Found:
        fields = canonical_trunk(item.fields)
        return Found(
            self._key("trunk", mark),
            item.id,
            fields,
            label=item.name or str(fields["domain_name"]),
            kind="trunk",
            claims=frozenset({f"domain:{fields['domain_name']}"} if fields["domain_name"] else ()),
        )

    def _lists(self, marks: Mapping[str, str]) -> Iterator[Found]:
        for kind, items in (
            ("credential_list", self.credential_lists),
            ("ip_access_control_list", self.access_lists),
        ):
            for item in items:
                key = self._key(kind, marks[item.id])
                yield Found(key, item.id, {}, label=item.name, kind=kind)

    def _credentials(self, marks: Mapping[str, str]) -> Iterator[Found]:
        fingerprints = {item.id: unnamed(item.name)[1] for item in self.credential_lists}
        for item in self.below.get("credential", ()):
            username = str(item.fields["username"])
            yield Found(
                self._key("credential", f"{marks[item.parent]}/{username}"),
                item.id,
                {"username": username, "password_fingerprint": fingerprints[item.parent]},
                {"credential_list": item.parent},
                label=username,
                kind="credential",
            )

    def _entries(self, kind: str, parent: str, marks: Mapping[str, str]) -> Iterator[Found]:
        """Give what is in trunks or lists of ours and bears a name of its own."""
        told = [(item, *_TELL[kind](item)) for item in self.below.get(kind, ())]
        marked = {
            (item.parent, name)
            for item, _, name in told
            if mark_of(item.name, self.ours) == marks[item.parent]
        }
        for item, fields, name in told:
            # By its own mark: in a trunk that was renamed, the old ones are still ours to delete.
            mark = mark_of(item.name, self.ours)
            claim = {f"{kind}:{marks[item.parent]}/{name}"}
            yield Found(
                self._key(kind, f"{mark}/{name}" if mark else ""),
                item.id,
                fields,
                {parent: item.parent},
                label=name,
                kind=kind,
                claims=frozenset(() if (item.parent, name) in marked else claim),
            )

    def _associations(self, kind: str, marks: Mapping[str, str]) -> Iterator[Found]:
        for item in self.below.get(f"trunk_{kind}", ()):
            trunk, listed = marks[item.parent], marks.get(item.id, "")
            # Somebody else's list stays on our trunk; one of ours on a wrong trunk does not.
            name = trunk if listed == trunk else listed and f"{listed} on {trunk}"
            yield Found(
                self._key(f"trunk_{kind}", name),
                item.id,
                {},
                {"trunk": item.parent, kind: item.id},
                label=f"{item.name} on {trunk}",
                kind=f"trunk_{kind}",
            )

    def _numbers(self, marks: Mapping[str, str]) -> Iterator[Found]:
        for item in self.numbers:
            trunk = str(item.fields["trunk_sid"] or "")
            if not trunk:
                continue
            number = str(item.fields["phone_number"])
            yield Found(
                self._key("number", f"{self.ours}{number}" if marks.get(trunk) else ""),
                item.id,
                {"phone_number": number},
                {"trunk": trunk},
                label=number,
                kind="number",
                claims=frozenset({f"number:{number}"}),
            )


def mark_of(friendly_name: str, ours: str) -> str:
    """Give the mark in a friendly name; empty where it has none of ours."""
    mark, _ = unnamed(friendly_name)
    return mark if mark.startswith(ours) else ""


def _address(item: Item) -> tuple[Mapping[str, Value], str]:
    prefix = item.fields["cidr_prefix_length"]
    length = 32 if prefix is None else int(str(prefix))
    ip_address = str(item.fields["ip_address"])
    network = str(ipaddress.ip_network(f"{ip_address}/{length}", strict=False))
    return {"ip_address": ip_address, "cidr_prefix_length": length}, network


def _origination_url(item: Item) -> tuple[Mapping[str, Value], str]:
    fields = {name: item.fields[name] for name in ("sip_url", "weight", "priority", "enabled")}
    return fields, str(fields["sip_url"])


#: Kind -> what is compared of an entry, and its name among the others.
_TELL = {"ip_address": _address, "origination_url": _origination_url}
