"""What keeps calls from working at Twilio and no apply can change: it is said, not planned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trunks.desired import Desired
from trunks.resources import Complaint
from trunks.twilio_account import CountryPermission, Item
from trunks.twilio_found import Listing

#: Kind -> what it does on a trunk, and the part of the file that it is beside.
_STRANGERS = {
    "origination_url": ("delivers calls to", ("inbound", "deliver_to")),
    "ip_address": ("lets in", ("outbound", "from_addresses")),
    "trunk_credential_list": ("lets in the list", ("outbound", "username")),
    "trunk_ip_access_control_list": ("lets in the list", ("outbound", "from_addresses")),
}


def about_account(carrier: str, kind: str, status: str) -> Iterator[Complaint]:
    """Say what a trial or a suspended account cannot do."""
    path = ("carriers", carrier)
    if status != "active":
        said = f"The account is {status}: no call goes through. Console > Billing says why."
        yield Complaint(path, "account_not_active", said, warning=True)
    if kind == "Trial":
        said = (
            "It is a trial account: one trunk, one number, four calls at once, and only verified "
            "numbers can be called (Console > Phone Numbers > Verified caller IDs)."
        )
        yield Complaint(path, "trial_account", said, warning=True)


def about_countries(
    desired: Desired, carrier: str, permissions: Sequence[CountryPermission]
) -> Iterator[Complaint]:
    """Name the countries that the file means to call and the account may not."""
    refused = {p.country: p.name for p in permissions if not p.allowed}
    for name, trunk in desired.trunks_at(carrier).items():
        country = trunk.outbound.destination_country if trunk.outbound else None
        if country in refused:
            said = (
                f"The account may not call {refused[country]}: Console > Voice > Settings > Geo "
                "permissions."
            )
            path = ("trunks", name, "outbound", "destination_country")
            yield Complaint(path, "country_not_permitted", said, warning=True)


def about_symmetric_rtp(
    desired: Desired, carrier: str, trunks: Sequence[Item]
) -> Iterator[Complaint]:
    """Say where symmetric RTP is not as the file has it; only the console can change it."""
    there = {trunk.name: bool(trunk.fields["symmetric_rtp_enabled"]) for trunk in trunks}
    for name, trunk in desired.trunks_at(carrier).items():
        found = there.get(desired.mark(name))
        if found is None or found == trunk.symmetric_rtp:
            continue
        word = "on" if trunk.symmetric_rtp else "off"
        said = (
            f"Twilio's API does not set it: switch Symmetric RTP {word} at Console > Elastic SIP "
            f"Trunking > Trunks > {desired.mark(name)} > General."
        )
        yield Complaint(("trunks", name, "symmetric_rtp"), "only_in_console", said, warning=True)


def about_strangers(desired: Desired, listing: Listing) -> Iterator[Complaint]:
    """Name what is on a trunk of ours and is not: it stays, and may be an intruder's."""
    marks = listing.marks()
    for found in listing.found():
        if found.key is not None or found.kind not in _STRANGERS:
            continue
        verb, part = _STRANGERS[found.kind]
        parent = next(marks[id] for id in found.refs.values() if marks.get(id))
        name = parent.removeprefix(listing.ours)
        if name in desired.trunks:
            said = f"It {verb} {found.label}, which is not ours: remove it in Twilio's console."
            yield Complaint(("trunks", name, *part), "not_ours", said, warning=True)
