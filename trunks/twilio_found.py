"""Recognises ours in what Twilio tells: by the mark in a friendly name, or by what it is in.

Trunks, lists, origination URLs and addresses bear the mark in their own friendly name. A credential
has no such name: it is ours if its list is. A number is ours while it belongs to a trunk of ours.
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
            *self._addresses(),
            *self._origination_urls(),
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

    def _addresses(self) -> Iterator[Found]:
        for item in self.below.get("ip_address", ()):
            fields = {name: item.fields[name] for name in ("ip_address", "cidr_prefix_length")}
            network = _network(fields)
            yield Found(
                self._below(item, "ip_address", network),
                item.id,
                fields,
                {"ip_access_control_list": item.parent},
                label=network,
                kind="ip_address",
            )

    def _origination_urls(self) -> Iterator[Found]:
        for item in self.below.get("origination_url", ()):
            fields = {n: item.fields[n] for n in ("sip_url", "weight", "priority", "enabled")}
            yield Found(
                self._below(item, "origination_url", str(fields["sip_url"])),
                item.id,
                fields,
                {"trunk": item.parent},
                label=str(fields["sip_url"]),
                kind="origination_url",
            )

    def _below(self, item: Item, kind: str, name: str) -> Key | None:
        # By its own mark: in a trunk that was renamed, the old ones are still ours to delete.
        mark = mark_of(item.name, self.ours)
        return self._key(kind, f"{mark}/{name}" if mark else "")

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


def _network(fields: Mapping[str, Value]) -> str:
    prefix = fields["cidr_prefix_length"]
    written = f"{fields['ip_address']}/{32 if prefix is None else prefix}"
    return str(ipaddress.ip_network(written, strict=False))
