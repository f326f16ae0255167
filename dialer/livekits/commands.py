"""``dialer livekit``: where new calls go, and who said so."""

from __future__ import annotations

import getpass
import os
import socket
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from dialer.livekits import switch
from dialer.livekits.switch import Use
from dialer.terminal import in_database, out

livekit = typer.Typer(help="Our own LiveKit and its fallback.", no_args_is_help=True)

_SAID = {
    Use.AUTO: "New calls go to our own LiveKit, and to the fallback while that is down.",
    Use.OWN: "New calls go to our own LiveKit in any case.",
    Use.FALLBACK: "New calls go to the fallback in any case.",
}


@livekit.command("use")
def use(where: Annotated[Use, typer.Argument(help="Where new calls go.")]) -> None:
    """Turn the switch, for every process of the dialer; calls that run stay where they are."""
    in_database(lambda tx: switch.turn(tx, where, _who(), now=datetime.now(UTC)))
    out.print(_SAID[where])


@livekit.command("show")
def show(limit: Annotated[int, typer.Option(min=1, max=100)] = 10) -> None:
    """Tell how the switch stands, and who turned it when."""
    turns = in_database(lambda tx: switch.turns(tx, limit=limit))
    out.print(_SAID[turns[0].use if turns else Use.AUTO])
    if turns:
        table = Table("turned", "to", "by")
        for one in turns:
            table.add_row(f"{one.at:%Y-%m-%d %H:%M:%S}", one.use.value, one.by)
        out.print(table)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # In a container its user may have no name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
