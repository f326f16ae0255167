"""A carrier and a LiveKit in memory, as the table of adapters builds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.kit.far_end import FakeAdapter, FarEnd
from trunks.desired import Desired
from trunks.errors import TrunkError
from trunks.resources import Complaint, Key, Wanted

CARRIER = FarEnd()
LIVEKIT = FarEnd()
BUILT: list[FakeAdapter] = []


class FakeCarrier(FakeAdapter):
    """An adapter as the table builds a carrier's."""

    def __init__(self, *, carrier_name: str, carrier: Any, deployment: str) -> None:
        assert carrier.kind == "twilio"
        super().__init__(CARRIER, place=f"twilio:{carrier_name}", deployment=deployment)
        BUILT.append(self)

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Want the trunks and the numbers of the file."""
        trunks: Mapping[str, Key] = {
            name: Key(self.place, "trunk", desired.mark(name)) for name in desired.trunks
        }
        return [
            *(
                Wanted(
                    trunks[name],
                    {"domain": trunk.domain, "cnam": trunk.cnam},
                    claims=frozenset({f"domain:{trunk.domain}"}),
                )
                for name, trunk in desired.trunks.items()
            ),
            *(
                Wanted(
                    Key(self.place, "number", desired.mark(digits)),
                    {},
                    refs={"trunk": trunks[number.trunk]},
                )
                for digits, number in desired.numbers.items()
            ),
        ]

    def check(self, desired: Desired) -> Sequence[Complaint]:
        """Know one rule of its own."""
        return [
            Complaint(("trunks", name, "cnam"), "not_supported", "There is no CNAM here.")
            for name, trunk in desired.trunks.items()
            if trunk.cnam
        ]


class FakeLiveKit(FakeAdapter):
    """An adapter as the table builds LiveKit's."""

    def __init__(self, *, livekit: Any, deployment: str, agent_name: str) -> None:
        assert (livekit.url, agent_name) == ("ws://127.0.0.1:7880", "telephony")
        super().__init__(LIVEKIT, place="livekit", deployment=deployment)
        BUILT.append(self)

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Want the trunks of the file."""
        return [
            Wanted(Key("livekit", "outbound_trunk", desired.mark(name)), {"transport": t.transport})
            for name, t in desired.trunks.items()
        ]


@dataclass(frozen=True)
class Offered:
    """A number that could be bought."""

    phone_number: str
    locality: str = "San Francisco"
    region: str = "CA"
    needs_address: bool = False


class FakeSeller(FakeCarrier):
    """A carrier that sells numbers, and has remarks."""

    sold: ClassVar[list[str]] = []
    lost: ClassVar[list[TrunkError]] = []

    async def search_numbers(self, country: str, **how: Any) -> Sequence[Offered]:
        """Offer one."""
        return [Offered("+14155550177")] if country == "US" and how["area_code"] == 415 else []

    async def buy_number(self, number: str) -> str:
        """Sell it, once."""
        if number not in self.sold:
            self.sold.append(number)
        if self.lost:
            raise self.lost.pop()
        return "PN1"

    async def remarks(self, desired: Desired) -> Sequence[Complaint]:
        """Remark on the account."""
        said = "It is a trial account."
        return [Complaint(("carriers", "main"), "not_supported", said, warning=True)]
