"""``dialer numbers``: which of our numbers is answered, by whom, and when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from dialer.inbound.choice import usable_secret
from dialer.inbound.numbers import InboundNumber, described
from dialer.inbound.store import Numbers
from dialer.routing.sealing import Sealing
from dialer.settings import TokenSettings, load, variable
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
    overflow: Annotated[
        str | None, typer.Option(help="A number that is dialled where no agent takes the call.")
    ] = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="Asked within two seconds which agent answers.")
    ] = None,
    webhook_secret_file: Annotated[
        Path | None,
        typer.Option(help="Holds the secret that signs the question.", exists=True, dir_okay=False),
    ] = None,
    webhook_secret_env: Annotated[
        str | None, typer.Option(help="The same in an environment variable of this name.")
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
            overflow_number=overflow,
            webhook_url=webhook_url,
            webhook_secret_sealed=_sealed(webhook_secret_file, webhook_secret_env),
        )
    except TelephonyError as error:
        fail(error.message, 2)
    in_database(lambda tx: Numbers(tx, tenant).put(wanted))
    out.print(f"{wanted.number} is {_how(wanted)}.")


def _sealed(file: Path | None, env: str | None) -> str | None:
    """Give the webhook's secret sealed; on a command line it would stay in the shell's history."""
    if file is not None:
        secret = file.read_text(encoding="utf-8").strip()
    elif env is not None:
        secret = variable(env)
    else:
        return None
    return Sealing(load(TokenSettings).sealing_secrets).seal(usable_secret(secret))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fail(f"{path} is no JSON file: {error}", 2)


def _how(number: InboundNumber) -> str:
    if not number.enabled:
        return "switched off"
    asks = "" if number.webhook_url is None else ", or as its webhook says"
    hours = "" if number.hours is None else " in its hours"
    beyond = "" if number.overflow_number is None else f", else {number.overflow_number}"
    return f"answered by {number.agent}{asks}{hours}{beyond}"


@numbers.command("list")
def show(tenant: Tenant = DEFAULT_TENANT) -> None:
    """List the numbers."""
    table = Table("number", "is", "blocked callers", "made by")
    for owned in in_database(lambda tx: Numbers(tx, tenant).list()):
        blocked = len(owned.inbound.blocked_callers)
        by = f"trunks.yaml of {owned.deployment}" if owned.deployment else ""
        how = _how(owned.inbound)
        table.add_row(owned.inbound.number, how, str(blocked) if blocked else "", by)
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
