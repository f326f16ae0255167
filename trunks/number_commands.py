"""`dialer trunks numbers`: search and buy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from telephony.errors import InvalidNumber
from telephony.numbers import E164
from trunks.exits import Exit
from trunks.options import AsJson, FilePath, Yes
from trunks.session import Session, run
from trunks.shop import Kind, NoShop, Offer, Shop, shop_of

numbers = typer.Typer(help="Numbers: search and buy.", no_args_is_help=True)

Carrier = Annotated[str | None, typer.Option(help="Which of the file's carriers, by its name.")]


def _shop(session: Session, carrier: str | None) -> Shop:
    try:
        return shop_of(session.adapters, carrier)
    except NoShop as error:
        raise typer.BadParameter(str(error)) from None


@numbers.command()
def search(
    context: typer.Context,
    country: Annotated[str, typer.Option(help="ISO 3166 code, as US.")],
    kind: Annotated[Kind, typer.Option(help="Which kind of number.")] = "local",
    area_code: Annotated[int | None, typer.Option(help="As 415, in the US and Canada.")] = None,
    contains: Annotated[str | None, typer.Option(help="Digits or letters in the number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    carrier: Carrier = None,
    file: FilePath = None,
    as_json: AsJson = False,
) -> None:
    """List numbers that could be bought; buys nothing."""

    async def work(session: Session) -> Exit:
        shop = _shop(session, carrier)
        offers = await session.patience.insist(
            lambda: shop.search_numbers(
                country, kind=kind, area_code=area_code, contains=contains, limit=limit
            )
        )
        session.tell({"numbers": [_offer_json(offer) for offer in offers]})
        if not as_json:
            session.out.print(_table(offers) if offers else "None could be bought.")
        return Exit.DONE

    run(work, context, file=file, as_json=as_json, i_know=True)


def _table(offers: Sequence[Offer]) -> Table:
    table = Table("number", "town", "region", "needs an address")
    for offer in offers:
        needs = "yes" if offer.needs_address else ""
        table.add_row(offer.phone_number, offer.locality, offer.region, needs)
    return table


def _offer_json(offer: Offer) -> dict[str, str | bool]:
    return {
        "phone_number": offer.phone_number,
        "locality": offer.locality,
        "region": offer.region,
        "needs_address": offer.needs_address,
    }


@numbers.command()
def buy(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="In E.164, as search lists it.")],
    carrier: Carrier = None,
    file: FilePath = None,
    as_json: AsJson = False,
    yes: Yes = False,
) -> None:
    """Buy a number, for money and at once; asks before."""
    try:
        digits = str(E164.parse(number))
    except InvalidNumber as error:
        raise typer.BadParameter(error.message) from None

    async def work(session: Session) -> Exit:
        shop = _shop(session, carrier)
        if not session.agreed(f"Buy {digits}? It costs money from now on.", yes=yes):
            return Exit.CHANGES
        # Who asks again after a lost answer finds that the number is ours, and buys nothing.
        bought = await session.patience.insist(lambda: shop.buy_number(digits))
        session.tell({"phone_number": digits, "id": bought})
        if not as_json:
            session.out.print(f"{digits} is ours ({bought}). Name it under numbers, and apply.")
        return Exit.DONE

    run(work, context, file=file, as_json=as_json, i_know=True)
