"""``dialer numbers``: which of our numbers is answered, by whom, and when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from dialer.inbound.numbers import InboundNumber, described
from dialer.inbound.store import Numbers
from dialer.terminal import Tenant, fail, in_database, out
from telephony.call import DEFAULT_TENANT
from telephony.errors import TelephonyError
from telephony.numbers import E164

numbers = typer.Typer(help="Our own numbers, and who answers them.", no_args_is_help=True)


@numbers.command("add")
def add(
    number: Annotated[str, typer.Argument(help="One of our numbers, in E.164: +14155550190.")],
    agent: Annotated[str, typer.Option(help="Name of the agent that answers.")] = "default",
    tenant: Tenant = DEFAULT_TENANT,
    hours: Annotated[
        Path | None,
        typer.Option(help="A JSON file with time_zone, weekly and holidays.", exists=True),
    ] = None,
    closed_message: Annotated[str | None, typer.Option(help="Said outside the hours.")] = None,
    block: Annotated[
        list[str] | None,
        typer.Option(help="A caller who is refused: a number, +1900* or anonymous."),
    ] = None,
    disabled: Annotated[bool, typer.Option(help="Keep it, and take no calls to it.")] = False,
) -> None:
    """Have a number answered, or change how it is."""
    try:
        wanted = described(
            number,
            agent=agent,
            enabled=not disabled,
            hours=None if hours is None else _read(hours),
            closed_message=closed_message,
            blocked_callers=tuple(block or ()),
        )
    except TelephonyError as error:
        fail(error.message, 2)
    in_database(lambda tx: Numbers(tx, tenant).put(wanted))
    out.print(f"{wanted.number} is {_how(wanted)}.")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fail(f"{path} is no JSON file: {error}", 2)


def _how(number: InboundNumber) -> str:
    if not number.enabled:
        return "switched off"
    return f"answered by {number.agent}" + ("" if number.hours is None else " in its hours")


@numbers.command("list")
def show(tenant: Tenant = DEFAULT_TENANT) -> None:
    """List the numbers."""
    table = Table("number", "is", "blocked callers")
    for owned in in_database(lambda tx: Numbers(tx, tenant).list()):
        blocked = len(owned.inbound.blocked_callers)
        table.add_row(owned.inbound.number, _how(owned.inbound), str(blocked) if blocked else "")
    out.print(table)


@numbers.command("remove")
def remove(number: str, tenant: Tenant = DEFAULT_TENANT) -> None:
    """Take a number away: calls to it are refused."""
    try:
        digits = str(E164.parse(number, field="number"))
    except TelephonyError as error:
        fail(error.message, 2)
    in_database(lambda tx: Numbers(tx, tenant).remove(digits))
    out.print("The number is removed.")
