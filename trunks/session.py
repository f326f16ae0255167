"""What every command of `dialer trunks` does around its own work: read, connect, tell, and end."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from trunks import carriers, exits, reading, showing
from trunks.apply import Outcome, Result, apply
from trunks.desired import Desired
from trunks.errors import TrunkError
from trunks.exits import Exit
from trunks.faults import Fault, FileError
from trunks.gateway import Gateway, Provided
from trunks.patience import Patience
from trunks.reading import File
from trunks.resources import Adapter
from trunks.settings import Settings, environment
from trunks.steps import Plan

#: ``apply``, or what takes its place.
Carrying: TypeAlias = "Callable[..., Awaitable[list[Result]]]"


@dataclass(slots=True)
class Session:
    """One run of a command: what the file wants, the places, and where to tell of it."""

    file: File
    adapters: list[Adapter]
    as_json: bool
    patience: Patience = field(default_factory=Patience)
    out: Console = field(default_factory=Console)
    err: Console = field(default_factory=lambda: Console(stderr=True))

    @property
    def desired(self) -> Desired:
        """Give what the file wants."""
        return self.file.desired

    def warn(self, faults: Iterable[Fault]) -> None:
        """Print what is only doubtful."""
        for fault in faults:
            self.err.print(str(fault), style="yellow", markup=False, soft_wrap=True)

    def tell(self, told: dict[str, Any]) -> None:
        """Print the one JSON document of this run, where one is asked for."""
        if self.as_json:
            typer.echo(json.dumps(told, indent=2, ensure_ascii=False))

    def agreed(self, question: str, *, yes: bool) -> bool:
        """Ask the operator, where that has not been answered already; no answer is a no."""
        try:
            with _interruptible():
                agreed = yes or typer.confirm(question, err=True)
        except typer.Abort:
            agreed = False
        if not agreed:
            self.err.print("\nNot agreed: nothing was changed. --yes agrees beforehand.")
        return agreed

    async def carry_out(self, plan: Plan, by: Carrying = apply) -> Exit:
        """Apply a plan with its progress, tell of it and give the status to end with."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self.err, transient=True, disable=self.as_json) as progress:
            task = progress.add_task("applying", total=len(plan.pending))

            def told(result: Result) -> None:
                progress.advance(task)
                if not self.as_json:
                    showing.show_result(progress.console, result)

            results = await by(plan, self.adapters, patience=self.patience, tell=told)
        self.tell({"results": [showing.result_json(result) for result in results]})
        if not self.as_json:
            self.out.print(_counted(results), highlight=False)
        return _status(results)


@contextmanager
def _interruptible() -> Generator[None]:
    """Let Ctrl-C end a question at once: a running event loop would only note it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _counted(results: list[Result]) -> str:
    numbers = [(outcome, sum(r.outcome is outcome for r in results)) for outcome in Outcome]
    return ", ".join(f"{number} {outcome}" for outcome, number in numbers) + "."


def _status(results: list[Result]) -> Exit:
    errors = [result.error for result in results if result.error is not None]
    # What needs the operator is told before what needs only another run.
    return min((exits.of(error) for error in errors), default=Exit.DONE)


def run(
    work: Callable[[Session], Awaitable[Exit]],
    context: typer.Context,
    *,
    file: Path | None,
    as_json: bool,
    i_know: bool,
) -> None:
    """Do a command's work, and end with its status.

    Shape: where the context has a ``Provided``, the gateway is one of the places.
    """
    provided = context.find_object(Provided)
    console = Console(stderr=True)
    try:
        status = asyncio.run(_run(work, provided, file=file, as_json=as_json, i_know=i_know))
    except FileError as error:
        _tell_faults(error, as_json=as_json, console=console)
        status = Exit.WRONG
    except TrunkError as error:
        if as_json:
            typer.echo(json.dumps({"error": showing.error_json(error)}, indent=2))
        showing.show_error(console, error)
        status = exits.of(error)
    except KeyboardInterrupt:
        console.print("Interrupted. Run it again: it goes on where it was.")
        status = Exit.INTERRUPTED
    raise typer.Exit(int(status))


def _tell_faults(error: FileError, *, as_json: bool, console: Console) -> None:
    if as_json:
        faults = [showing.fault_json(fault) for fault in error.faults]
        typer.echo(json.dumps({"faults": faults}, indent=2, ensure_ascii=False))
    for fault in error.faults:
        console.print(f"{fault} ({fault.code})", markup=False, highlight=False, soft_wrap=True)


async def _run(
    work: Callable[[Session], Awaitable[Exit]],
    provided: Provided | None,
    *,
    file: Path | None,
    as_json: bool,
    i_know: bool,
) -> Exit:
    settings = Settings()
    read = reading.load(
        file or Path(settings.trunks_file),
        environment=environment(),
        deployment=settings.deployment,
        i_know=i_know,
    )
    read.judge(carriers.unsupported(read.desired))
    async with AsyncExitStack() as stack:
        adapters = carriers.adapters(read.desired)
        for adapter in adapters:
            stack.push_async_callback(adapter.aclose)
        if provided is not None:
            store = await stack.enter_async_context(provided.open_store())
            deployment = read.desired.deployment
            adapters.append(Gateway(store=store, deployment=deployment, about=provided.about()))
        read.judge(one for adapter in adapters for one in adapter.check(read.desired))
        session = Session(read, adapters, as_json)
        session.warn(sorted(read.warnings))
        return await work(session)
