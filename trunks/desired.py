"""What the operator wants: trunks.yaml, once it is read and found right."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from telephony.opening_hours import Hours
from trunks.accounts import Carrier, Twilio
from trunks.words import (
    Address,
    BlockedCaller,
    Country,
    Deployment,
    Domain,
    Headers,
    HttpsUrl,
    Name,
    Network,
    Part,
    PhoneNumber,
    PortRange,
    Prefix,
    Secret,
    ServerUrl,
    SipUri,
    WebhookUrl,
)

Transport = Literal["udp", "tcp", "tls", "auto"]
Encryption = Literal["disable", "allow", "require"]
#: What the bridge speaks with a phone network.
Codec = Literal["PCMU", "PCMA", "G722"]


def _some(codecs: tuple[Codec, ...]) -> tuple[Codec, ...]:
    if not codecs:
        raise PydanticCustomError("no_codec", "Name a codec at least: PCMU, PCMA or G722.")
    return codecs


class LiveKit(Part):
    """The LiveKit whose SIP bridge the trunks are for."""

    url: ServerUrl = Field(description="Where its API is.")
    api_key: str = Field(description="Name of the key.")
    api_secret: Secret = Field(description="The secret of that key.")
    agent_name: str = Field(
        default="telephony",
        min_length=1,
        description="The name that workers register with, as their LIVEKIT_AGENT_NAME.",
    )
    rtp_ports: PortRange | None = Field(
        default=None,
        description="The bridge's `rtp_port`: whether they suffice for the trunks' `concurrency` "
        "and `cps` is checked.",
        examples=["10000-20000"],
    )


class Outbound(Part):
    """What we dial through."""

    username: str | None = Field(default=None, description="User of the digest credentials.")
    password: Secret | None = Field(
        default=None, description="Their password, at least 16 characters."
    )
    from_addresses: tuple[Network, ...] = Field(
        default=(),
        description="Networks that our calls come from, for carriers that admit them by address.",
        examples=[["203.0.113.7/32"]],
    )
    headers: Headers = Field(
        default_factory=dict[str, str], description="Headers put into every INVITE; only `X-`."
    )
    destination_country: Country | None = Field(
        default=None, description="Where most calls go; LiveKit Cloud dials from near there."
    )
    prefixes: tuple[Prefix, ...] = Field(
        default=(),
        description="Destinations that the trunk is for; the longest prefix wins. Empty: all.",
        examples=[["+1"]],
    )
    priority: int = Field(
        default=10,
        ge=0,
        le=65_535,
        description="Which of several trunks is tried first: the lowest.",
    )
    cps: float = Field(default=1.0, gt=0, le=100, description="New calls a second that it takes.")
    concurrency: int | None = Field(
        default=None, ge=1, le=100_000, description="Calls at once that it takes; empty: no limit."
    )
    codecs: Annotated[tuple[Codec, ...], AfterValidator(_some)] = Field(
        default=("PCMU", "PCMA"), description="Codecs to offer, the best first."
    )


class Delivery(Part):
    """An address of ours that the carrier sends calls to."""

    url: SipUri = Field(
        description="The bridge, as the carrier reaches it.", examples=["sip:203.0.113.7:5060"]
    )
    weight: int = Field(default=10, ge=1, le=65_535, description="Share among equal priorities.")
    priority: int = Field(default=10, ge=0, le=65_535, description="The lowest is tried first.")
    enabled: bool = Field(default=True, description="Whether calls are sent there.")


class Inbound(Part):
    """Which calls we take."""

    deliver_to: tuple[Delivery, ...] = Field(
        default=(), description="Where the carrier sends them; for carriers that are told by us."
    )
    allowed_addresses: tuple[Network, ...] = Field(
        default=(),
        description="Networks that calls may come from, one CIDR each.",
        examples=[["54.172.60.0/30"]],
    )
    username: str | None = Field(default=None, description="User that the carrier must know.")
    password: Secret | None = Field(
        default=None, description="Its password, at least 16 characters."
    )


class Trunk(Part):
    """A way between us and a carrier."""

    carrier: Name = Field(description="One of `carriers`.")
    domain: Domain | None = Field(
        default=None,
        description="Twilio: the name before `.pstn.twilio.com`, unique in the world.",
        examples=["acme-main"],
    )
    address: Address | None = Field(
        default=None,
        description="Other carriers: the host and optional port to dial through.",
        examples=["sip.example.net:5060"],
    )
    transport: Transport = Field(default="udp", description="Transport of the signalling.")
    encryption: Encryption = Field(default="disable", description="Encryption of the media (SRTP).")
    secure: bool = Field(
        default=False, description="The carrier takes and sends nothing but TLS with SRTP."
    )
    outbound: Outbound | None = Field(default=None, description="What we dial through.")
    inbound: Inbound | None = Field(default=None, description="Which calls we take.")
    recording: Literal["off", "from-ringing", "from-answer"] = Field(
        default="off", description="Whether the carrier records; ours is set for each agent."
    )
    symmetric_rtp: bool = Field(
        default=True, description="The carrier sends media back to where ours comes from."
    )
    transfer: Literal["disable-all", "enable-all", "sip-only"] = Field(
        default="disable-all", description="Which REFER the carrier follows."
    )
    cnam: bool = Field(default=False, description="The carrier looks up callers' names, for a fee.")
    disaster_recovery_url: HttpsUrl | None = Field(
        default=None, description="What the carrier asks when none of `deliver_to` answers."
    )


class Closed(Part):
    """What a caller gets outside the hours."""

    message: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        description="What is spoken before hanging up."
    )


class InboundRoute(Part):
    """What becomes of a call to a number."""

    agent: Name = Field(description="The agent that answers, one of the agents file.")
    hours: Name | None = Field(default=None, description="One of `hours`; empty: always open.")
    closed: Closed | None = Field(
        default=None, description="What is said outside hours; empty: the call goes to `overflow`."
    )
    overflow: PhoneNumber | None = Field(
        default=None, description="Where calls go that no agent can take."
    )
    blocked_callers: tuple[BlockedCaller, ...] = Field(
        default=(),
        description="Callers whose calls are refused: numbers, beginnings of numbers with a star "
        "behind them, and `anonymous` for those who show none.",
        examples=[["+14155550155", "+1900*", "anonymous"]],
    )
    webhook_url: WebhookUrl | None = Field(
        default=None,
        description="Asked for each call which agent answers it; `agent` does where it says none.",
        examples=["https://backend.example.com/telephony/agent"],
    )
    webhook_secret: Secret | None = Field(
        default=None, description="Signs that question, at least 24 bytes."
    )


class Number(Part):
    """A number of ours."""

    trunk: Name = Field(description="The trunk that it belongs to.")
    route: Name | None = Field(default=None, description="One of `inbound_routes`.")
    inbound: InboundRoute | None = Field(default=None, description="Or a route of its own.")


def _optional_in_the_file(schema: dict[str, Any]) -> None:
    # The reader fills both in from the settings.
    schema["required"] = [
        name for name in schema["required"] if name not in ("deployment", "livekit")
    ]


class Desired(Part):
    """The whole file."""

    model_config = ConfigDict(title="trunks.yaml", json_schema_extra=_optional_in_the_file)

    version: Literal[1] = Field(description="Version of this format.")
    deployment: Deployment = Field(
        description="Marks what is ours at carriers and in LiveKit; by default DEPLOYMENT."
    )
    carriers: dict[Name, Carrier] = Field(description="Accounts at carriers, by a name for each.")
    trunks: dict[Name, Trunk] = Field(description="The trunks, by name.")
    numbers: dict[PhoneNumber, Number] = Field(
        default_factory=dict[str, Number], description="Our numbers, in E.164."
    )
    inbound_routes: dict[Name, InboundRoute] = Field(
        default_factory=dict[str, InboundRoute], description="Routes that numbers share."
    )
    hours: dict[Name, Hours] = Field(
        default_factory=dict[str, Hours], description="Opening hours, by name."
    )
    livekit: LiveKit = Field(
        description="By default LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET."
    )

    @cached_property
    def numbers_by_trunk(self) -> Mapping[str, tuple[str, ...]]:
        """Give each trunk's numbers, in the order of the file."""
        by: dict[str, list[str]] = {name: [] for name in self.trunks}
        for digits, number in self.numbers.items():
            by.setdefault(number.trunk, []).append(digits)
        return {name: tuple(numbers) for name, numbers in by.items()}

    def trunks_at(self, carrier: str) -> Mapping[str, Trunk]:
        """Give the trunks of one carrier, by name."""
        return {name: trunk for name, trunk in self.trunks.items() if trunk.carrier == carrier}

    def mark(self, name: str) -> str:
        """Give the name by which a thing of ours is recognised."""
        return f"{self.deployment}/{name}"

    def address_of(self, name: str) -> str:
        """Give the host and optional port that a trunk dials through; empty where it has none."""
        trunk = self.trunks[name]
        carrier = self.carriers[trunk.carrier]
        if isinstance(carrier, Twilio) and trunk.domain:
            return carrier.sip_host(trunk.domain)
        return trunk.address or ""

    def route_of(self, number: str) -> InboundRoute | None:
        """Give what becomes of calls to a number of ours; None where it takes none."""
        ours = self.numbers[number]
        return self.inbound_routes[ours.route] if ours.route else ours.inbound
