"""The words of trunks.yaml: what its parts have in common, and the types of its texts."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SecretStr,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from telephony import blocked_callers
from telephony.errors import InvalidNumber
from telephony.numbers import COUNTRIES, E164
from trunks import addresses

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_DEPLOYMENT = re.compile(r"[a-z0-9]{1,16}\Z")
_HEADER = re.compile(r"X-[A-Za-z0-9-]{1,60}\Z")
_PREFIX = re.compile(r"\+[0-9]{0,15}\Z")
_MAX_HEADERS = 20


class Part(BaseModel):
    """A part of the file: only fields that are known, and nobody changes them afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Referenced(str):
    """A text that the file takes whole from the environment, as ``${NAME}``."""

    __slots__ = ()


def _from_environment(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, Referenced):
        raise PydanticCustomError(
            "literal_secret",
            "Secrets do not belong in the file: write ${NAME} and set NAME in the environment.",
        )
    return str(value)


def _name(text: str) -> str:
    if not _NAME.match(text):
        raise PydanticCustomError(
            "invalid_value", "A name has lower case letters, digits, - and _, 64 at most."
        )
    return text


def _deployment(text: str) -> str:
    if not _DEPLOYMENT.match(text):
        raise PydanticCustomError(
            "invalid_value", "A deployment has lower case letters and digits, 16 at most."
        )
    return text


def _number(text: str) -> str:
    try:
        return str(E164.parse(text))
    except InvalidNumber as error:
        raise PydanticCustomError("invalid_number", "{message}", _told(error)) from None


def _told(error: InvalidNumber) -> dict[str, Any]:
    return {"code": error.code, "message": error.message}


def _blocked(text: str) -> str:
    try:
        return blocked_callers.read(text)
    except InvalidNumber as error:
        raise PydanticCustomError("invalid_number", "{message}", _told(error)) from None


def _country(text: str) -> str:
    if text not in COUNTRIES:
        raise PydanticCustomError("not_a_country", "Write an ISO 3166 code, as US.")
    return text


def _prefix(text: str) -> str:
    if not _PREFIX.match(text):
        raise PydanticCustomError("not_a_prefix", "A prefix is a plus and digits, as +1.")
    return text


def _headers(headers: dict[str, str]) -> dict[str, str]:
    if len(headers) > _MAX_HEADERS:
        raise PydanticCustomError("header_not_allowed", "No more than 20 headers can be added.")
    for name, value in headers.items():
        if not _HEADER.match(name):
            raise PydanticCustomError(
                "header_not_allowed",
                "Only headers whose names begin with X- can be added, not {name}.",
                {"name": name},
            )
        if not value.isprintable():
            raise PydanticCustomError(
                "header_not_allowed", "The value of {name} is not printable.", {"name": name}
            )
    return headers


Secret = Annotated[
    SecretStr,
    BeforeValidator(_from_environment),
    WithJsonSchema({"type": "string", "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"}),
]
Name = Annotated[str, AfterValidator(_name)]
Deployment = Annotated[str, AfterValidator(_deployment)]
PhoneNumber = Annotated[str, AfterValidator(_number)]
BlockedCaller = Annotated[str, AfterValidator(_blocked)]
Country = Annotated[str, AfterValidator(_country)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Headers = Annotated[dict[str, str], AfterValidator(_headers)]
Address = Annotated[str, AfterValidator(addresses.address)]
Network = Annotated[str, AfterValidator(addresses.network)]
SipUri = Annotated[str, AfterValidator(addresses.sip_uri)]
Domain = Annotated[str, AfterValidator(addresses.domain)]
HttpsUrl = Annotated[str, AfterValidator(addresses.https)]
ServerUrl = Annotated[str, AfterValidator(addresses.server)]
WebhookUrl = Annotated[str, AfterValidator(addresses.webhook)]
PortRange = Annotated[str, AfterValidator(addresses.port_range)]
