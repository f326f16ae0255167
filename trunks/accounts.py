"""Accounts at carriers, as the file describes them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from trunks.words import Name, Part, Secret


class Twilio(Part):
    """Twilio Elastic SIP Trunking."""

    kind: Literal["twilio"] = Field(description="Which carrier it is: `twilio`.")
    account_sid: str = Field(
        description="The account, as `AC...`.", examples=["${TWILIO_ACCOUNT_SID}"]
    )
    auth_token: Secret | None = Field(
        default=None, description="The account's token; else `api_key` and `api_secret`."
    )
    api_key: Secret | None = Field(default=None, description="An API key, as `SK...`.")
    api_secret: Secret | None = Field(default=None, description="The secret of that key.")
    edge: Name | None = Field(
        default=None, description="The edge to reach Twilio at.", examples=["ashburn"]
    )
    region: Name | None = Field(
        default=None, description="The region that the account's data is in.", examples=["us1"]
    )

    @model_validator(mode="after")
    def _credentials_whole(self) -> Self:
        if (self.api_key is None) != (self.api_secret is None):
            raise PydanticCustomError("credentials_needed", "api_key and api_secret go together.")
        if self.api_key is None and self.auth_token is None:
            raise PydanticCustomError(
                "credentials_needed", "Give auth_token, or api_key and api_secret."
            )
        return self

    def sip_host(self, domain: str) -> str:
        """Give the host of a termination domain, at the edge where one is chosen."""
        return f"{domain}.pstn.{self.edge}.twilio.com" if self.edge else f"{domain}.pstn.twilio.com"


class Telnyx(Part):
    """Telnyx."""

    kind: Literal["telnyx"] = Field(description="Which carrier it is: `telnyx`.")
    api_key: Secret = Field(description="An API key, as `KEY...`.")


class Plivo(Part):
    """Plivo Zentrunk."""

    kind: Literal["plivo"] = Field(description="Which carrier it is: `plivo`.")
    auth_id: str = Field(description="The account, as `MA...`.")
    auth_token: Secret = Field(description="The account's token.")


class Wavix(Part):
    """Wavix."""

    kind: Literal["wavix"] = Field(description="Which carrier it is: `wavix`.")
    api_key: Secret = Field(description="An API key.")


class Generic(Part):
    """Any SIP trunk: nothing is made at the carrier, only what LiveKit needs."""

    kind: Literal["generic"] = Field(description="Which carrier it is: `generic`.")


Carrier = Annotated[
    Twilio | Telnyx | Plivo | Wavix | Generic,
    Field(discriminator="kind"),
]
