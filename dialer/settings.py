"""The dialer's settings: the only place of the control plane where the environment is read.

Names are those of the environment; a ``.env`` file in the working directory is read too, and the
environment wins. Everything wrong is told at once, with a hint at the expected shape.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dialer.setting_checks import begins, country, e164, long_secret, network, server, trunk_host
from dialer.setting_complaints import leave
from telephony.numbers import E164

#: What every message about a missing trunk ends with.
HOW_TO_SET_A_TRUNK = (
    "Set it to the host of your carrier's termination trunk, like example.pstn.twilio.com or "
    "203.0.113.7:5060, and SIP_CALLER_IDS to numbers you own, like +14155550100."
)


class DatabaseSettings(BaseSettings):
    """What the commands need that touch nothing but the database."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    database_url: str = Field(
        default="sqlite:///telephony.db",
        description="Where calls are kept. SQLite serves one dialer process, Postgres many.",
        examples=["postgresql://telephony:secret@db:5432/telephony"],
        repr=False,
    )

    @field_validator("database_url")
    @classmethod
    def _known_dialect(cls, url: str) -> str:
        if not url.startswith(
            ("sqlite:///", "postgresql://", "postgres://", "postgresql+psycopg://")
        ):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return url


class TokenSettings(DatabaseSettings):
    """What the commands need that make tokens."""

    token_secret: SecretStr = Field(
        description="Signs the tokens of workers and attempts, and the page's cookies. "
        "At least 32 characters, the same for every dialer process.",
        examples=["$(openssl rand -hex 32)"],
    )
    secrets_key: SecretStr = Field(
        default=SecretStr(""),
        description="Seals the passwords of trunks in the database. At least 32 characters; of "
        "several, separated by commas, the first seals and each opens. Empty: TOKEN_SECRET.",
        examples=["$(openssl rand -hex 32)"],
    )
    public_url: str = Field(
        default="",
        description="Where people and workers reach the API; defaults to http://API_HOST:API_PORT.",
        examples=["https://calls.example.com"],
    )
    api_host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(default=8000, ge=0, le=65535, description="Port that the API listens on.")
    webhook_allowed_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Networks of your own whose servers may be the webhook of a number, as CIDR "
        "blocks separated by commas; http and every port are called there. All else must be "
        "reached by https over the public network.",
        examples=["127.0.0.0/8,10.1.2.0/24"],
    )

    @field_validator("token_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        return long_secret(secret)

    @field_validator("secrets_key")
    @classmethod
    def _each_long_enough(cls, keys: SecretStr) -> SecretStr:
        for key in keys.get_secret_value().split(",") if keys.get_secret_value() else ():
            long_secret(SecretStr(key.strip()))
        return keys

    @field_validator("webhook_allowed_networks", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(network(part) for part in parts if part.strip())

    @field_validator("public_url")
    @classmethod
    def _no_slash(cls, url: str) -> str:
        return url.rstrip("/")

    @property
    def sealing_secrets(self) -> tuple[str, ...]:
        """Give the secrets that open the passwords of trunks; the first one seals them."""
        if keys := self.secrets_key.get_secret_value():
            return tuple(key.strip() for key in keys.split(","))
        return (self.token_secret.get_secret_value(),)

    @property
    def base_url(self) -> str:
        """Give the URL under which the API is reached, without a slash at its end."""
        return self.public_url or f"http://{self.api_host}:{self.api_port}"


class GatewaySettings(TokenSettings):
    """What ``dialer trunks`` asks about the gateway that its file is for."""

    deployment: str = Field(
        default="tel",
        pattern=r"^[a-z0-9]{1,16}$",
        description="First part of every room's name. Two dialers that share a livekit-server "
        "need different ones: each deletes only rooms of its own.",
    )
    agents_file: str = Field(
        default="agents.yaml", description="The file that describes the agents."
    )
    sip_trunk_address: str = Field(
        default="",
        description="Host and optional port of the carrier's termination trunk, without sip:. "
        "Empty: sip calls leave by the trunks of trunks.yaml, or wait.",
        examples=["example.pstn.twilio.com"],
    )

    @property
    def deployment_of_fallback(self) -> str:
        """Give the first part of the names of rooms in a fallback, were there one."""
        return f"{self.deployment}fb"

    @field_validator("sip_trunk_address")
    @classmethod
    def _host(cls, address: str) -> str:
        return trunk_host(address)


class Settings(GatewaySettings):
    """Everything that ``dialer api`` and ``dialer loops`` read."""

    redis_url: str = Field(
        description="The Redis that our own livekit-server and livekit-sip use too.",
        examples=["redis://127.0.0.1:6379/0"],
        repr=False,
    )
    livekit_url: str = Field(
        description="Where the dialer reaches livekit-server.", examples=["ws://127.0.0.1:7880"]
    )
    livekit_public_url: str = Field(
        default="",
        description="Where browsers reach livekit-server; defaults to LIVEKIT_URL.",
        examples=["wss://media.example.com"],
    )
    livekit_api_key: str = Field(
        description="Key name from livekit-server's `keys`.", examples=["devkey"]
    )
    livekit_api_secret: SecretStr = Field(
        description="The secret of that key, at least 32 characters.",
        examples=["$(openssl rand -hex 32)"],
    )
    livekit_fallback_url: str = Field(
        default="",
        description="Another LiveKit, or a project of LiveKit Cloud, for new calls while the first "
        "one is down. Dialer and browsers reach it there. Empty: there is none.",
        examples=["wss://example.livekit.cloud"],
    )
    livekit_fallback_api_key: str = Field(default="", description="Its key name.")
    livekit_fallback_api_secret: SecretStr = Field(
        default=SecretStr(""), description="The secret of that key."
    )
    livekit_agent_name: str = Field(
        default="telephony",
        min_length=1,
        description="Name under which workers register with LiveKit; dispatches ask for it.",
    )
    sip_trunk_username: str = Field(
        default="", description="User of the trunk's digest credentials."
    )
    sip_trunk_password: SecretStr = Field(
        default=SecretStr(""), description="Password of the trunk's digest credentials."
    )
    sip_trunk_transport: Literal["udp", "tcp", "tls", "auto"] = Field(
        default="udp", description="Transport towards the trunk."
    )
    sip_trunk_media_encryption: Literal["disable", "allow", "require"] = Field(
        default="disable",
        description="SRTP towards the trunk; needs SIP_TRUNK_TRANSPORT=tls. Both `allow` and "
        "`require` offer nothing but SRTP; `allow` takes an answer in clear, too.",
    )
    sip_trunk_cps: float = Field(
        default=1.0, gt=0, le=100, description="New calls a second that the trunk takes."
    )
    sip_caller_ids: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Numbers that calls may come from, in E.164, separated by commas. "
        "The first is the default.",
        examples=["+14155550100,+14155550101"],
        repr=False,
    )
    allowed_countries: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Countries that may be called, by their ISO 3166 codes, separated by commas; "
        "by default those of SIP_CALLER_IDS and of the trunks' numbers. +1 is many: the US, "
        "Canada and each island have their own. There is no wildcard.",
        examples=["US,CA"],
    )
    max_queued_calls: int = Field(
        default=1000,
        ge=1,
        description="Calls of one tenant that may wait; more are refused with 429.",
    )
    agent_join_timeout_seconds: float = Field(
        default=3.0, gt=0, le=60, description="How long a dispatched worker may take to join."
    )
    inbound_answer_timeout_seconds: float = Field(
        default=6.0,
        ge=2,
        le=30,
        description="How long a caller hears ringing while no agent takes the call, before the "
        "overflow number is dialled or the apology played.",
    )
    overflow_calls_per_number: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="How many callers of one number of ours may be at its overflow number at once. "
        "Each is a call that is paid; who calls beyond hears the apology.",
    )
    apology_file: str = Field(
        default="",
        description="A WAV file (16 bit, mono, at most 30 seconds) for callers for whom there is "
        "nobody. Empty: one in English that comes with the gateway. `off`: they hear busy.",
        examples=["/etc/telephony/apology.wav"],
    )
    metrics_token: SecretStr = Field(
        default=SecretStr(""),
        description="Bearer token for /metrics. Empty: an API key is needed there.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="One JSON object a line, or lines for people."
    )
    failpoints_enabled: bool = Field(
        default=False, description="For tests only: lets FAILPOINTS_FOLDER be used."
    )
    failpoints_folder: str = Field(
        default="",
        description="For tests only: the process dies where a file in this folder is named for.",
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, level: Any) -> Any:
        return level.upper() if isinstance(level, str) else level

    @field_validator("livekit_api_secret")
    @classmethod
    def _secret_long_enough(cls, secret: SecretStr) -> SecretStr:
        return long_secret(secret)

    @field_validator("livekit_fallback_api_secret")
    @classmethod
    def _long_enough_if_any(cls, secret: SecretStr) -> SecretStr:
        return long_secret(secret) if secret.get_secret_value() else secret

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: str) -> str:
        return begins(url, "redis://", "rediss://", "unix://")

    @field_validator("livekit_url", "livekit_public_url", "livekit_fallback_url")
    @classmethod
    def _websocket(cls, url: str) -> str:
        return url and server(begins(url, "ws://", "wss://", "http://", "https://"))

    @field_validator("sip_caller_ids", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(e164(part) for part in parts if part.strip())

    @field_validator("allowed_countries", mode="before")
    @classmethod
    def _countries(cls, value: Any) -> Any:
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(dict.fromkeys(country(part) for part in parts if part.strip()))

    @model_validator(mode="after")
    def _credentials_whole(self) -> Self:
        if bool(self.sip_trunk_username) != bool(self.sip_trunk_password.get_secret_value()):
            raise ValueError("SIP_TRUNK_USERNAME and SIP_TRUNK_PASSWORD go together")
        if self.sip_trunk_media_encryption != "disable" and self.sip_trunk_transport != "tls":
            raise ValueError(
                "SIP_TRUNK_MEDIA_ENCRYPTION needs SIP_TRUNK_TRANSPORT=tls: the keys of SRTP travel "
                "in the signalling, and whoever can hear the call could read them there"
            )
        if self.sip_trunk_address and not self.sip_caller_ids:
            raise ValueError(
                "SIP_CALLER_IDS is needed with SIP_TRUNK_ADDRESS: set it to numbers you own, in "
                "E.164, separated by commas (like +14155550100,+14155550101)"
            )
        if self.sip_caller_ids and not self.countries:
            raise ValueError(
                "ALLOWED_COUNTRIES is needed: the numbers in SIP_CALLER_IDS belong to no country"
            )
        return self

    @model_validator(mode="after")
    def _fallback_whole(self) -> Self:
        secret = self.livekit_fallback_api_secret.get_secret_value()
        given = {bool(self.livekit_fallback_url), bool(self.livekit_fallback_api_key), bool(secret)}
        if len(given) > 1:
            raise ValueError(
                "LIVEKIT_FALLBACK_URL, LIVEKIT_FALLBACK_API_KEY and LIVEKIT_FALLBACK_API_SECRET "
                "go together"
            )
        return self

    @model_validator(mode="after")
    def _no_failpoints_by_mistake(self) -> Self:
        if self.failpoints_folder and not self.failpoints_enabled:
            raise ValueError("FAILPOINTS_FOLDER is for tests and needs FAILPOINTS_ENABLED=true")
        return self

    @cached_property
    def countries(self) -> frozenset[str]:
        """Give the countries that may be called."""
        own = (E164(number).region for number in self.sip_caller_ids)
        return frozenset(self.allowed_countries or (region for region in own if region))

    @property
    def fallback_deployment(self) -> str | None:
        """Give the first part of the names of the fallback's rooms; None where there is none."""
        return self.deployment_of_fallback if self.livekit_fallback_url else None

    @property
    def browser_livekit_url(self) -> str:
        """Give the LiveKit URL that browsers use."""
        return self.livekit_public_url or self.livekit_url


class ClientSettings(BaseSettings):
    """What ``dialer call`` and ``dialer calls`` read; else .sandbox/sandbox.json is used."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    dialer_url: str = Field(
        default="",
        description="The API that the CLI talks to, and that workers report to; "
        "of several separated by commas the CLI takes the first.",
        examples=["http://127.0.0.1:8000"],
    )
    dialer_api_key: SecretStr = Field(
        default=SecretStr(""), description="API key of the CLI.", examples=["tk_..."]
    )


def variable(name: str) -> str:
    """Give a variable of the environment that somebody named; empty where there is none."""
    return os.environ.get(name, "")


def variables(names: Iterable[str]) -> dict[str, str]:
    """Give those of these variables that the environment has."""
    return {name: os.environ[name] for name in names if name in os.environ}


AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def load(kind: type[AnySettings]) -> AnySettings:
    """Read the environment, or leave with status 2 after naming everything that is wrong."""
    try:
        return kind()
    except ValidationError as error:
        leave(kind, error)
