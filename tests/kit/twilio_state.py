"""What Twilio keeps for one account, and the rules by which it takes or refuses a write.

The rules are those that Twilio documents (limits, formats, error codes of its error dictionary).
Where the documents are silent the stricter rule stands here, so that the adapter must not lean on
luck; such places say so.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

Item = dict[str, Any]

#: Twilio's two forms of a moment: trunking tells ISO 8601, the older API RFC 2822.
ISO_MOMENT = "2026-01-02T03:04:05Z"
RFC_MOMENT = "Fri, 02 Jan 2026 03:04:05 +0000"
_TRUNKING = "https://trunking.twilio.com/v1"


class Refusal(Exception):
    """An error document of Twilio's."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def not_found(path: str) -> Refusal:
    """Say that nothing is there."""
    return Refusal(404, 20404, f"The requested resource {path} was not found")


@dataclass
class TwilioState:
    """One account's trunks, lists and numbers, by SID.

    Shape: every item is the body that Twilio would tell, plus keys with a leading underscore that
    it keeps for itself (passwords, associations).
    """

    account_sid: str
    trial: bool = False
    most_trunks: int = 100
    #: Domain names that other accounts have.
    foreign_domains: set[str] = field(default_factory=set[str])
    #: Numbers that could be bought.
    on_sale: list[str] = field(default_factory=list[str])
    items: dict[str, Item] = field(default_factory=dict[str, Item])
    _made: int = 0

    # -- reading

    def of(self, prefix: str, **having: str) -> list[Item]:
        """List the items of a kind, in the order in which they were made."""
        return [
            item
            for sid, item in self.items.items()
            if sid.startswith(prefix) and all(item.get(k) == v for k, v in having.items())
        ]

    def get(self, prefix: str, sid: str, **having: str) -> Item:
        """Give one item, or refuse as Twilio does."""
        item = self.items.get(sid)
        if item is None or not sid.startswith(prefix):
            raise not_found(sid)
        if any(item.get(key) != value for key, value in having.items()):
            raise not_found(sid)
        return item

    def add(self, prefix: str, item: Item) -> Item:
        """Keep an item under a new SID."""
        self._made += 1
        sid = f"{prefix}{self._made:032x}"
        self.items[sid] = {"sid": sid, "account_sid": self.account_sid, **item}
        return self.items[sid]

    # -- trunks

    def create_trunk(self, form: dict[str, str]) -> Item:
        """Make a trunk; all of its fields may be left out."""
        limit = 1 if self.trial else self.most_trunks
        if len(self.of("TK")) >= limit:
            raise Refusal(400, 21244, "Maximum number of trunks reached")
        trunk: Item = {
            "friendly_name": None,
            "domain_name": None,
            "disaster_recovery_url": None,
            "disaster_recovery_method": None,
            "secure": False,
            "cnam_lookup_enabled": False,
            "transfer_mode": "disable-all",
            "transfer_caller_id": "from-transferee",
            "symmetric_rtp_enabled": False,
            "recording": {"mode": "do-not-record", "trim": "do-not-trim"},
            "date_created": ISO_MOMENT,
            "date_updated": ISO_MOMENT,
            "_lists": [],
        }
        self._set_trunk(trunk, form)
        return self.add("TK", trunk)

    def update_trunk(self, sid: str, form: dict[str, str]) -> Item:
        """Change a trunk."""
        trunk = self.get("TK", sid)
        self._set_trunk(trunk, form)
        return trunk

    def _set_trunk(self, trunk: Item, form: dict[str, str]) -> None:
        new = {_snake(key): _value(value) for key, value in form.items()}
        if (domain := new.get("domain_name")) and domain != trunk["domain_name"]:
            self._take_domain(str(domain))
        if len(str(new.get("friendly_name") or "")) > 64:
            raise Refusal(400, 21245, "FriendlyName is longer than 64 characters")
        for key, allowed in _CHOICES.items():
            if key in new and new[key] not in allowed:
                raise Refusal(400, 21245, f"{key} is none of {', '.join(map(str, allowed))}")
        trunk.update({key: None if value == "" else value for key, value in new.items()})

    def _take_domain(self, domain: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9-]+\.pstn\.twilio\.com", domain):
            raise Refusal(400, 21245, f"The domain name {domain} does not end in pstn.twilio.com")
        if domain in self.foreign_domains or self.of("TK", domain_name=domain):
            raise Refusal(400, 21248, "Trunk Domain already taken")

    def delete_trunk(self, sid: str) -> None:
        """Take a trunk away. Stricter than documented: nothing may be associated with it."""
        trunk = self.get("TK", sid)
        if trunk["_lists"] or self.of("PN", trunk_sid=sid):
            raise Refusal(400, 21247, "Trunk has dependencies")
        for url in self.of("OU", trunk_sid=sid):
            del self.items[url["sid"]]
        del self.items[sid]

    def set_recording(self, sid: str, form: dict[str, str]) -> Item:
        """Change how a trunk records."""
        recording = self.get("TK", sid)["recording"]
        recording.update({_snake(key): value for key, value in form.items()})
        return recording

    # -- what hangs on a trunk

    def create_origination_url(self, trunk_sid: str, form: dict[str, str]) -> Item:
        """Give a trunk one more address to deliver to."""
        self.get("TK", trunk_sid)
        _need(form, "Weight", "Priority", "Enabled", "FriendlyName", "SipUrl")
        url: Item = {
            "trunk_sid": trunk_sid,
            "date_created": ISO_MOMENT,
            "date_updated": ISO_MOMENT,
        }
        self._set_origination_url(url, form)
        return self.add("OU", url)

    def update_origination_url(self, trunk_sid: str, sid: str, form: dict[str, str]) -> Item:
        """Change such an address."""
        url = self.get("OU", sid, trunk_sid=trunk_sid)
        self._set_origination_url(url, form)
        return url

    def _set_origination_url(self, url: Item, form: dict[str, str]) -> None:
        new = {_snake(key): _value(value) for key, value in form.items()}
        for key, lowest in (("weight", 1), ("priority", 0)):
            if key in new:
                new[key] = int(str(new[key]))
                if not lowest <= new[key] <= 65535:
                    raise Refusal(400, 21245, f"{key} is not in {lowest}..65535")
        if not str(new.get("sip_url", "sip:")).startswith("sip:"):
            raise Refusal(400, 21245, "SipUrl must be of the sip: scheme")
        url.update(new)

    def associate_list(self, trunk_sid: str, prefix: str, sid: str) -> Item:
        """Let the addresses or the credentials of a list through to a trunk."""
        trunk, item = self.get("TK", trunk_sid), self.get(prefix, sid)
        if sid in trunk["_lists"]:
            raise Refusal(409, 20409, "The list is already associated with the trunk")
        trunk["_lists"].append(sid)
        return item

    def dissociate_list(self, trunk_sid: str, sid: str) -> None:
        """Undo that."""
        lists = self.get("TK", trunk_sid)["_lists"]
        if sid not in lists:
            raise not_found(sid)
        lists.remove(sid)

    def associate_number(self, trunk_sid: str, form: dict[str, str]) -> Item:
        """Let a number's calls go to a trunk. Stricter than documented: one trunk at a time."""
        _need(form, "PhoneNumberSid")
        self.get("TK", trunk_sid)
        number = self.get("PN", form["PhoneNumberSid"])
        if number["trunk_sid"] not in (None, trunk_sid):
            raise Refusal(409, 20409, "The phone number is associated with another trunk")
        number["trunk_sid"] = trunk_sid
        return number

    def dissociate_number(self, trunk_sid: str, sid: str) -> None:
        """Undo that; the account keeps the number."""
        self.get("PN", sid, trunk_sid=trunk_sid)["trunk_sid"] = None

    # -- lists

    def create_list(self, prefix: str, form: dict[str, str]) -> Item:
        """Make a credential list (CL) or an IP access control list (AL)."""
        _need(form, "FriendlyName")
        item: Item = {"date_created": RFC_MOMENT, "date_updated": RFC_MOMENT}
        self._name_list(prefix, item, form)
        return self.add(prefix, item)

    def update_list(self, prefix: str, sid: str, form: dict[str, str]) -> Item:
        """Name a list anew."""
        _need(form, "FriendlyName")
        item = self.get(prefix, sid)
        self._name_list(prefix, item, form)
        return item

    def _name_list(self, prefix: str, item: Item, form: dict[str, str]) -> None:
        name = form["FriendlyName"]
        code = 21240 if prefix == "CL" else 21235
        if len(name) > 64:
            raise Refusal(400, code, "FriendlyName is longer than 64 characters")
        if any(other is not item for other in self.of(prefix, friendly_name=name)):
            raise Refusal(400, code, f"FriendlyName {name} already exists")
        item["friendly_name"] = name

    def delete_list(self, prefix: str, sid: str) -> None:
        """Take a list away, with all that is in it, unless a trunk uses it."""
        self.get(prefix, sid)
        if any(sid in trunk["_lists"] for trunk in self.of("TK")):
            raise Refusal(400, 21241 if prefix == "CL" else 21236, "The list is still in use")
        below = {"credential_list_sid": sid} if prefix == "CL" else {_ACL: sid}
        for item in self.of("CR" if prefix == "CL" else "IP", **below):
            del self.items[item["sid"]]
        del self.items[sid]

    def create_credential(self, list_sid: str, form: dict[str, str]) -> Item:
        """Add a user name and a password; the password is never told again."""
        self.get("CL", list_sid)
        _need(form, "Username", "Password")
        if self.of("CR", credential_list_sid=list_sid, username=form["Username"]):
            raise Refusal(400, 21243, "Username already exists in this list")
        if not 1 <= len(form["Username"]) <= 32:
            raise Refusal(400, 21243, "Username is longer than 32 characters")
        credential: Item = {
            "credential_list_sid": list_sid,
            "username": form["Username"],
            "date_created": RFC_MOMENT,
            "date_updated": RFC_MOMENT,
        }
        _set_password(credential, form)
        return self.add("CR", credential)

    def update_credential(self, list_sid: str, sid: str, form: dict[str, str]) -> Item:
        """Change a password."""
        credential = self.get("CR", sid, credential_list_sid=list_sid)
        _set_password(credential, form)
        return credential

    def create_address(self, list_sid: str, form: dict[str, str]) -> Item:
        """Let one more address through."""
        self.get("AL", list_sid)
        _need(form, "FriendlyName", "IpAddress")
        if len(self.of("IP", **{_ACL: list_sid})) >= 100:
            raise Refusal(400, 21237, "Maximum IP addresses reached for list")
        address: Item = {_ACL: list_sid, "date_created": RFC_MOMENT, "date_updated": RFC_MOMENT}
        _set_address(address, {"CidrPrefixLength": "32", **form})
        return self.add("IP", address)

    def update_address(self, list_sid: str, sid: str, form: dict[str, str]) -> Item:
        """Change an address."""
        address = self.get("IP", sid, **{_ACL: list_sid})
        _set_address(address, form)
        return address

    # -- numbers

    def own_number(self, phone_number: str, trunk_sid: str | None = None) -> Item:
        """Have a number, as if bought long ago."""
        return self.add(
            "PN",
            {
                "phone_number": phone_number,
                "friendly_name": phone_number,
                "trunk_sid": trunk_sid,
                "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
                "date_created": RFC_MOMENT,
                "date_updated": RFC_MOMENT,
            },
        )

    def buy_number(self, form: dict[str, str]) -> Item:
        """Buy a number that is on sale."""
        wanted = form.get("PhoneNumber", "")
        if self.trial and self.of("PN"):
            raise Refusal(400, 21404, "Trial accounts are allowed only one Twilio number")
        if wanted not in self.on_sale:
            raise Refusal(400, 21422, f"{wanted} is not available")
        self.on_sale.remove(wanted)
        return self.own_number(wanted)

    def update_number(self, sid: str, form: dict[str, str]) -> Item:
        """Change a number; only its trunk is of interest here."""
        number = self.get("PN", sid)
        if "TrunkSid" in form:
            number["trunk_sid"] = self.get("TK", form["TrunkSid"])["sid"]
        return number


_ACL = "ip_access_control_list_sid"
_CHOICES = {
    "transfer_mode": ("disable-all", "enable-all", "sip-only"),
    "transfer_caller_id": ("from-transferee", "from-transferor"),
    "secure": (True, False),
    "cnam_lookup_enabled": (True, False),
    "disaster_recovery_method": ("GET", "POST", ""),
}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _value(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


def _need(form: dict[str, str], *names: str) -> None:
    for name in names:
        if not form.get(name):
            raise Refusal(400, 20001, f"Missing required parameter {name} in the post body")


def _set_password(credential: Item, form: dict[str, str]) -> None:
    password = form.get("Password", "")
    mixed = password.lower() != password and password.upper() != password
    if len(password) < 12 or not mixed or not any(c.isdigit() for c in password):
        raise Refusal(400, 21243, f"{password} needs 12 characters, a digit and mixed case")
    credential["_password"] = password


def _set_address(address: Item, form: dict[str, str]) -> None:
    new: Item = {_snake(key): value for key, value in form.items()}
    if "ip_address" in new:
        try:
            ipaddress.IPv4Address(new["ip_address"])
        except ValueError:
            raise Refusal(400, 21238, "IpAddress is not an IPv4 address") from None
    if "cidr_prefix_length" in new:
        new["cidr_prefix_length"] = int(new["cidr_prefix_length"])
    address.update(new)
