"""What the commands share: the terminal, and the database for the time of one command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Column
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.database import Database
from dialer.settings import DatabaseSettings, load
from telephony.errors import TelephonyError

T = TypeVar("T")

out = Console()
err = Console(stderr=True)

Tenant = Annotated[str, typer.Option(help="The tenant that it belongs to.")]


def fail(message: str, status: int = 1) -> NoReturn:
    """Say what is wrong, and end the process with a status."""
    err.print(message, style="red", markup=False, highlight=False)
    raise typer.Exit(status)


def whole(title: str) -> Column:
    """Make a column of ids, which are there to be copied: other columns give way."""
    return Column(title, no_wrap=True, min_width=len("call_") + 32)


def first_line(error: Exception) -> str:
    """Give the first line of an error's text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def in_database(work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Do it in one transaction; what goes wrong ends the process with a sentence."""

    async def run() -> T:
        database = Database(load(DatabaseSettings).database_url)
        try:
            async with database.transaction() as tx:
                return await work(tx)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except TelephonyError as error:
        fail(error.message)
    except SQLAlchemyError as error:
        fail(f"The database cannot be used; has `dialer migrate` run? {first_line(error)}")
