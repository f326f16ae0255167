"""What trunks.yaml wants at Twilio, and what Twilio will not take; no network, no SDK.

Twilio speaks of *termination* (calls towards the phone network: our outbound) and *origination*
(calls towards us: our inbound).

Source: https://www.twilio.com/docs/sip-trunking; SIP credentials:
https://www.twilio.com/docs/voice/sip/api/sip-credential-resource
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from trunks.desired import Desired, Inbound, Outbound, Trunk
from trunks.resources import Complaint, Key, Value, Wanted

#: Twilio keeps 64 characters of a friendly name; the fingerprint of a password needs its part.
_LONGEST_NAME = 64
_FINGERPRINT_DIGITS = 12
_BEFORE_FINGERPRINT = " #"
_LONGEST_MARK = _LONGEST_NAME - len(_BEFORE_FINGERPRINT) - _FINGERPRINT_DIGITS
_RECORDING = {
    "off": "do-not-record",
    "from-ringing": "record-from-ringing",
    "from-answer": "record-from-answer",
}


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Tells whether a password is the one that we set last, without telling the password.

    Twilio never shows a password. So we keep a short digest of it in the friendly name of its
    credential list: an HMAC with the account's own secret for a key, which says nothing to whoever
    reads the name, and which the account's secret alone can make. A password that somebody else
    changed at Twilio is not seen by it; a new account secret makes it differ once, and the password
    is then written again.
    """

    account_sid: str
    secret: str = field(repr=False)

    def of(self, username: str, password: str) -> str:
        """Give the digest of one credential."""
        said = "\0".join((self.account_sid, username, password)).encode()
        digest = hmac.new(self.secret.encode(), said, hashlib.sha256).hexdigest()
        return digest[:_FINGERPRINT_DIGITS]


def named(mark: str, fingerprint: str) -> str:
    """Give the friendly name of a credential list whose password has this fingerprint."""
    return f"{mark}{_BEFORE_FINGERPRINT}{fingerprint}" if fingerprint else mark


def unnamed(friendly_name: str) -> tuple[str, str]:
    """Take such a name apart: the mark, and the fingerprint or nothing."""
    mark, _, fingerprint = friendly_name.partition(_BEFORE_FINGERPRINT)
    return mark, fingerprint


@dataclass(frozen=True, slots=True)
class Wishes:
    """Says what a file wants at one Twilio account."""

    place: str
    carrier: str
    fingerprints: Fingerprints

    def all(self, desired: Desired) -> list[Wanted]:
        """List everything."""
        wanted: list[Wanted] = []
        for name, trunk in desired.trunks_at(self.carrier).items():
            mark = desired.mark(name)
            wanted.append(self._trunk(mark, trunk))
            if trunk.outbound is not None:
                wanted.extend(self._credentials(mark, trunk.outbound))
                wanted.extend(self._addresses(mark, trunk.outbound))
            if trunk.inbound is not None:
                wanted.extend(self._origination_urls(mark, trunk.inbound))
            for number in desired.numbers_by_trunk[name]:
                wanted.append(self._number(desired.mark(number), mark, number))
        return wanted

    def _key(self, kind: str, name: str) -> Key:
        return Key(self.place, kind, name)

    def _trunk(self, mark: str, trunk: Trunk) -> Wanted:
        recovery = trunk.disaster_recovery_url or ""
        domain = f"{trunk.domain}.pstn.twilio.com" if trunk.domain else ""
        return Wanted(
            self._key("trunk", mark),
            {
                "domain_name": domain,
                "secure": _is_secure(trunk),
                "transfer_mode": trunk.transfer,
                "transfer_caller_id": "from-transferee",
                "cnam_lookup_enabled": trunk.cnam,
                "disaster_recovery_url": recovery,
                "disaster_recovery_method": "POST" if recovery else "",
                "recording": _RECORDING[trunk.recording],
            },
            explain=f"Elastic SIP trunk {domain}".rstrip(),
            claims=frozenset({f"domain:{domain}"} if domain else ()),
        )

    def _credentials(self, mark: str, outbound: Outbound) -> Iterator[Wanted]:
        if outbound.username is None or outbound.password is None:
            return
        credentials = self._key("credential_list", mark)
        password = outbound.password.get_secret_value()
        yield Wanted(credentials, {}, explain="list of who may dial through the trunk")
        yield Wanted(
            self._key("credential", f"{mark}/{outbound.username}"),
            {
                "username": outbound.username,
                "password": password,
                "password_fingerprint": self.fingerprints.of(outbound.username, password),
            },
            secrets=frozenset({"password"}),
            refs={"credential_list": credentials},
            explain="digest credentials",
        )
        yield self._association(mark, "credential_list")

    def _addresses(self, mark: str, outbound: Outbound) -> Iterator[Wanted]:
        if not outbound.from_addresses:
            return
        addresses = self._key("ip_access_control_list", mark)
        yield Wanted(addresses, {}, explain="list of the addresses that may dial through the trunk")
        for network in outbound.from_addresses:
            parsed = ipaddress.ip_network(network)
            yield Wanted(
                self._key("ip_address", f"{mark}/{network}"),
                {
                    "ip_address": str(parsed.network_address),
                    "cidr_prefix_length": parsed.prefixlen,
                },
                refs={"ip_access_control_list": addresses},
                explain="addresses of ours",
                claims=frozenset({f"ip_address:{mark}/{network}"}),
            )
        yield self._association(mark, "ip_access_control_list")

    def _association(self, mark: str, kind: str) -> Wanted:
        return Wanted(
            self._key(f"trunk_{kind}", mark),
            {},
            refs={"trunk": self._key("trunk", mark), kind: self._key(kind, mark)},
            explain="the list lets through to the trunk",
        )

    def _origination_urls(self, mark: str, inbound: Inbound) -> Iterator[Wanted]:
        for delivery in inbound.deliver_to:
            yield Wanted(
                self._key("origination_url", f"{mark}/{delivery.url}"),
                {
                    "sip_url": delivery.url,
                    "weight": delivery.weight,
                    "priority": delivery.priority,
                    "enabled": delivery.enabled,
                },
                refs={"trunk": self._key("trunk", mark)},
                explain="where Twilio delivers calls",
                claims=frozenset({f"origination_url:{mark}/{delivery.url}"}),
            )

    def _number(self, name: str, mark: str, number: str) -> Wanted:
        return Wanted(
            self._key("number", name),
            {"phone_number": number},
            refs={"trunk": self._key("trunk", mark)},
            explain="the number's calls go to the trunk",
            claims=frozenset({f"number:{number}"}),
        )


def complaints(desired: Desired, carrier: str) -> list[Complaint]:
    """Judge the trunks of one account by Twilio's rules."""
    found: list[Complaint] = []
    for name, trunk in desired.trunks_at(carrier).items():
        path = ("trunks", name)
        if trunk.encryption == "require" and trunk.transport != "tls":
            said = "Twilio encrypts media on secure trunks only, which need transport: tls."
            found.append(Complaint((*path, "encryption"), "secure_needs_tls", said))
        if len(desired.mark(name)) > _LONGEST_MARK:
            allowed = _LONGEST_MARK - len(desired.mark(""))
            said = f"Twilio keeps short names: {allowed} characters at most here."
            found.append(Complaint(path, "invalid_value", said))
        if trunk.outbound is not None:
            found.extend(_about_outbound((*path, "outbound"), trunk.outbound))
        if trunk.inbound is not None:
            found.extend(_about_inbound((*path, "inbound"), trunk, trunk.inbound))
    return found


def _about_outbound(path: tuple[str, ...], outbound: Outbound) -> Iterator[Complaint]:
    if outbound.username is None and not outbound.from_addresses:
        said = "Twilio takes no call from a trunk with neither username nor from_addresses."
        yield Complaint(path, "credentials_needed", said)
    if len(outbound.username or "") > 32:
        said = "Twilio takes user names of 32 characters at most."
        yield Complaint((*path, "username"), "invalid_value", said)
    if outbound.password is not None and not _is_mixed(outbound.password.get_secret_value()):
        said = "Twilio wants a digit, a small and a capital letter in a password."
        yield Complaint((*path, "password"), "invalid_value", said)
    yield from _about_addresses((*path, "from_addresses"), outbound.from_addresses)


def _about_addresses(path: tuple[str, ...], networks: Sequence[str]) -> Iterator[Complaint]:
    if len(networks) > 100:
        said = "Twilio keeps 100 networks for a trunk: write wider ones."
        yield Complaint(path, "out_of_range", said)
    for index, network in enumerate(networks):
        if ipaddress.ip_network(network).version == 6:
            said = "Twilio knows IPv4 only."
            yield Complaint((*path, index), "not_supported", said)


def _about_inbound(path: tuple[str, ...], trunk: Trunk, inbound: Inbound) -> Iterator[Complaint]:
    if inbound.username is not None:
        said = "Twilio does not answer digest challenges: admit its networks by allowed_addresses."
        yield Complaint((*path, "username"), "not_supported", said)
    if not inbound.deliver_to:
        said = "Twilio must be told where calls go: add deliver_to, as sip:203.0.113.7:5060."
        yield Complaint(path, "required", said)
    for index, delivery in enumerate(inbound.deliver_to):
        where = (*path, "deliver_to", index, "url")
        tls = f"sip:{delivery.url.partition(':')[2].partition(';')[0]};transport=tls"
        if delivery.url.startswith("sips:"):
            yield Complaint(where, "not_a_sip_uri", f"Twilio knows no sips: write {tls}")
        elif _is_secure(trunk) and not delivery.url.endswith(";transport=tls"):
            said = f"A secure trunk delivers by TLS only: write {tls}"
            yield Complaint(where, "secure_needs_tls", said)


def _is_secure(trunk: Trunk) -> bool:
    """Tell whether Twilio's Secure Trunking is meant: without it Twilio refuses SRTP (32207)."""
    return trunk.secure or trunk.encryption == "require"


def _is_mixed(password: str) -> bool:
    return (
        any(c.isdigit() for c in password)
        and password.lower() != password
        and password.upper() != password
    )


def canonical_trunk(told: Mapping[str, Value]) -> dict[str, Value]:
    """Bring what Twilio tells of a trunk into the form that is compared."""
    recovery = told["disaster_recovery_url"] or ""
    method = (told["disaster_recovery_method"] or "POST") if recovery else ""
    return {
        "domain_name": told["domain_name"] or "",
        "secure": bool(told["secure"]),
        "transfer_mode": told["transfer_mode"] or "disable-all",
        "transfer_caller_id": told["transfer_caller_id"] or "from-transferee",
        "cnam_lookup_enabled": bool(told["cnam_lookup_enabled"]),
        "disaster_recovery_url": recovery,
        "disaster_recovery_method": method,
        "recording": told["recording"],
    }
