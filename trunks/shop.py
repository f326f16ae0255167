"""Numbers that can be bought: at carriers whose adapter knows how, and never by `apply`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from trunks.resources import Adapter

Kind = Literal["local", "toll_free", "mobile"]


class Offer(Protocol):
    """A number that could be bought."""

    @property
    def phone_number(self) -> str:
        """Give it in E.164."""
        ...

    @property
    def locality(self) -> str:
        """Name its town; empty where it belongs to none."""
        ...

    @property
    def region(self) -> str:
        """Name its state or province."""
        ...

    @property
    def needs_address(self) -> bool:
        """Tell whether the carrier sells it only to who has an address there."""
        ...


@runtime_checkable
class Shop(Protocol):
    """An adapter that can search and buy numbers.

    Errors: TrunkError.
    """

    async def search_numbers(
        self,
        country: str,
        *,
        kind: Kind = "local",
        area_code: int | None = None,
        contains: str | None = None,
        limit: int = 20,
    ) -> Sequence[Offer]:
        """List some that could be bought."""
        ...

    async def buy_number(self, number: str) -> str:
        """Buy one, for money and at once, and give its id; what is ours is not bought again."""
        ...


class NoShop(ValueError):
    """No carrier of the file sells numbers, or it has to be said which."""


def shop_of(adapters: Sequence[Adapter], carrier: str | None) -> Shop:
    """Choose where to buy: at the carrier of this name, or at the only one that sells.

    Errors: NoShop.
    """
    shops = {
        adapter.place.partition(":")[2]: adapter
        for adapter in adapters
        if isinstance(adapter, Shop)
    }
    if carrier is None and len(shops) == 1:
        return next(iter(shops.values()))
    if carrier is not None and carrier in shops:
        return shops[carrier]
    known = ", ".join(sorted(shops))
    raise NoShop(
        f"Say --carrier: {known}." if shops else "No carrier of the file sells us numbers."
    )
