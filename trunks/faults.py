"""What can be wrong in trunks.yaml: each kind has a code, each case its line.

``FAULTS`` is the closed list, and docs/trunks.md is generated from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

#: Code -> what it means and what to do.
FAULTS = {
    # The text.
    "cannot_be_read": "The file is not there, or is no UTF-8.",
    "too_large": "The file, or what its aliases unfold to, is beyond all bounds.",
    "not_yaml": "The text is no YAML.",
    "duplicate_key": "A name comes twice in one mapping; YAML would take the last one silently.",
    "not_a_name": "A name must be plain text.",
    "variable_not_set": "A `${NAME}` that the environment and `.env` do not have.",
    "literal_secret": "A secret stands in the file. Only `${NAME}` is taken.",
    # The fields.
    "required": "A field is missing.",
    "unknown_field": "No such field; the closest one is named.",
    "not_one_of": "Not one of the values that the field takes; the message lists them.",
    "invalid_type": "Text where a list is expected, and the like.",
    "invalid_value": "The value does not fit the field.",
    "out_of_range": "A number that is too small or too large.",
    # Numbers.
    "invalid_number": "No numbering plan has this number.",
    "not_e164": "A number without its plus and country code.",
    "invalid_characters": "Characters that no phone number has.",
    "letters_not_allowed": "Letters in a phone number.",
    "use_dtmf_field": "An extension behind a phone number.",
    "sip_uri_not_allowed": "A URI where a phone number belongs.",
    "duplicate_number": "One number twice, written differently.",
    "no_numbers": "A trunk that no number belongs to.",
    "not_a_prefix": "A prefix is a plus and digits.",
    "not_a_country": "No ISO 3166 code of two letters.",
    # Addresses.
    "not_a_host": "A host and an optional port are wanted: no `sip:`, no user, no parameters.",
    "not_a_port": "A port is a number from 1 to 65535.",
    "not_a_sip_uri": "`sip:HOST:PORT` or `sips:HOST:PORT` is wanted, with `;transport=` at most.",
    "not_https": "An `https://` URL is wanted.",
    "not_a_webhook": "A URL is wanted that the gateway can ask.",
    "not_a_port_range": "The first and the last port are wanted, as `10000-20000`.",
    "rtp_ports_too_few": "More calls may be up at once than the bridge has ports for their media.",
    "not_a_server": "A `ws://`, `wss://`, `http://` or `https://` URL without a path is wanted.",
    "not_a_domain": "Lower case letters, digits and hyphens, without the carrier's part.",
    "not_a_cidr": "A network such as `54.172.60.0/30` is wanted; host names are not followed.",
    "one_cidr_per_entry": "Several networks in one entry: LiveKit would admit everybody.",
    "open_to_all": "A network so wide that it admits everybody; `--i-know` makes it a warning.",
    "address_needed": "The carrier's address to dial through is missing.",
    "domain_needed": "The name of the trunk's termination domain is missing.",
    "tls_on_5060": "Warning: TLS is spoken on 5061, and 5060 is for UDP and TCP.",
    # Credentials and encryption.
    "credentials_needed": "The carrier's credentials are incomplete.",
    "username_and_password": "A username without a password, or the other way round.",
    "password_too_short": "A password under 16 characters, or a webhook's secret under 24 bytes.",
    "add_auth_or_cidr": "An inbound trunk that would take calls from anybody.",
    "secure_needs_tls": "A secure trunk needs `transport: tls` and `encryption: require`.",
    "keys_in_the_clear": "Warning: without TLS the keys of SRTP can be read on the way.",
    "header_not_allowed": "Only headers whose names begin with `X-` can be added, 20 at most.",
    "no_codec": "A list of codecs with none in it.",
    # Who answers.
    "unknown_name": "A name that nothing in the file has; the closest one is given.",
    "does_nothing": "A trunk with neither `outbound` nor `inbound`.",
    "takes_no_calls": "An inbound route on a trunk without `inbound`.",
    "route_twice": "A number with `route` and `inbound`.",
    "overflow_loops": "A number that overflows to itself, or to another one that is answered here.",
    "closed_needed": "Hours without a word about what a caller gets outside them.",
    "webhook_and_secret": "A webhook without a secret, or the other way round.",
    "unknown_agent": "Warning: the gateway's agents file has no such agent.",
    "trunk_beside": "Warning: the gateway's settings describe a trunk beside those of the file.",
    "other_deployment": "Warning: the gateway is of another deployment than the file.",
    "closed_without_hours": "`closed` says what happens outside hours that are not given.",
    "not_a_time_zone": "No name of the IANA time zone database; the closest one is given.",
    "not_a_span": "Opening hours are written as `09:00-17:00`, until `24:00` or into the next day.",
    "hours_overlap": "Two spans overlap: on one day, or from a night into the next day.",
    # Adapters.
    "account_not_active": "Warning: the carrier's account is suspended or closed.",
    "trial_account": "Warning: a trial account has few trunks and numbers, and calls few people.",
    "country_not_permitted": "Warning: the carrier's account may not call this country.",
    "not_ours": "Warning: something is on a trunk of ours that was not made by us, and stays.",
    "only_in_console": "Warning: the carrier shows a setting that only its console changes.",
    "not_supported": "No adapter for this kind of carrier, or the carrier has no such thing.",
}


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong, or doubtful, and where.

    Units: ``line`` and ``column`` count from 1.
    """

    file: str
    line: int
    column: int
    path: str
    code: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        path = f"{self.path}: " if self.path else ""
        return f"{where}{'warning: ' if self.warning else ''}{path}{self.message}"


class FileError(Exception):
    """The file cannot be used; ``faults`` are all that is wrong in it, in the order of lines."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(map(str, self.faults)))


def closest(name: str, known: Sequence[str]) -> str:
    """Say what was probably meant by a name that is not known."""
    close = get_close_matches(name[:64], known, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Known: {', '.join(known)}." if known else "There is none."
