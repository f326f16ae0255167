"""`dialer trunks doctor`."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from telephony.errors import InvalidNumber
from telephony.numbers import E164
from trunks import carriers, exits, reading, showing
from trunks.desired import LiveKit
from trunks.doctor import versions
from trunks.doctor.examination import Examination, Questions
from trunks.doctor.findings import Finding, Verdict, as_json, show
from trunks.doctor.provided import ProvidedToDoctor
from trunks.doctor.subject import Subject, of_file
from trunks.errors import TrunkError
from trunks.exits import Exit
from trunks.faults import FileError, closest
from trunks.options import AsJson, FilePath, IKnow
from trunks.settings import Settings, environment

Number = Annotated[
    str, typer.Option("--number", help="A number that somebody calls: who would take it?")
]
Source = Annotated[str, typer.Option("--from-address", help="The address that the call is from.")]
Caller = Annotated[str, typer.Option("--caller", help="The number that the caller shows.")]
Call = Annotated[
    str, typer.Option("--call", help="Call this number, for money, listen, and hang up.")
]
Echo = Annotated[
    bool, typer.Option("--echo", help="The number of --call plays back what it hears.")
]
BridgeVersion = Annotated[
    str, typer.Option(help="Of livekit-sip, where it runs elsewhere, as 1.8.0.")
]
ServerVersion = Annotated[
    str, typer.Option(help="Of livekit-server, where it runs elsewhere, as 1.13.5.")
]


def doctor(
    context: typer.Context,
    trunk: Annotated[str, typer.Argument(help="Its name in the file, or as the gateway has it.")],
    number: Number = "",
    from_address: Source = "",
    caller: Caller = "",
    call: Call = "",
    echo: Echo = False,
    bridge_version: BridgeVersion = "",
    server_version: ServerVersion = "",
    file: FilePath = None,
    as_json: AsJson = False,
    i_know: IKnow = False,
) -> None:
    """Probe a trunk, and say in words what is wrong with it and how to mend it."""
    provided = context.find_object(ProvidedToDoctor)
    if call and provided is None:
        raise typer.BadParameter("Test calls need the gateway: dialer trunks doctor.")
    asked = Questions(
        called=_number(number),
        source=_address(from_address),
        caller=caller,
        call=_number(call),
        echoes=echo,
        bridge_version=_version(bridge_version),
        server_version=_version(server_version),
    )
    run = _Run(trunk, asked, file, as_json, i_know, provided)
    raise typer.Exit(int(run.to_its_end()))


def _number(text: str) -> str:
    try:
        return str(E164.parse(text)) if text else ""
    except InvalidNumber as error:
        raise typer.BadParameter(error.message) from None


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise typer.BadParameter("Write an address, as 203.0.113.7.") from None


def _version(text: str) -> str:
    try:
        return ".".join(map(str, versions.parse(text))) if text else ""
    except ValueError:
        raise typer.BadParameter("Write a version as 1.8.0.") from None


class _NoSuchTrunk(Exception):
    """Neither the file nor the gateway has it; the text says what they have."""


@dataclass(slots=True)
class _Run:
    """One run of the command."""

    name: str
    asked: Questions
    file: Path | None
    as_json: bool
    i_know: bool
    provided: ProvidedToDoctor | None

    def to_its_end(self) -> Exit:
        """Examine, tell, and give the status to end with."""
        errors = Console(stderr=True)
        try:
            found = asyncio.run(self._examined())
        except FileError as error:
            return self._wrong(error, errors)
        except _NoSuchTrunk as error:
            errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
            return Exit.WRONG
        except TrunkError as error:
            showing.show_error(errors, error)
            return exits.of(error)
        except KeyboardInterrupt:
            errors.print("Interrupted.")
            return Exit.INTERRUPTED
        if self.as_json:
            told = {"trunk": self.name, "findings": [as_json(one) for one in found]}
            typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return Exit.CHANGES if any(one.verdict is Verdict.BAD for one in found) else Exit.DONE

    def _wrong(self, error: FileError, errors: Console) -> Exit:
        if self.as_json:
            faults = [showing.fault_json(fault) for fault in error.faults]
            typer.echo(json.dumps({"faults": faults}, indent=2, ensure_ascii=False))
        for fault in error.faults:
            errors.print(f"{fault} ({fault.code})", markup=False, highlight=False, soft_wrap=True)
        return Exit.WRONG

    async def _examined(self) -> list[Finding]:
        subject, livekit, deployment = await self._subject()
        out = Console()
        found: list[Finding] = []
        async with AsyncExitStack() as stack:
            adapter = carriers.livekit_of(livekit, deployment)
            stack.push_async_callback(adapter.aclose)
            phone = None
            if self.asked.call and self.provided is not None:
                phone = await stack.enter_async_context(self.provided.phone(livekit))
            async for finding in Examination(subject, adapter, phone, self.asked).findings():
                found.append(finding)
                if not self.as_json:
                    show(out, finding)
        return found

    async def _subject(self) -> tuple[Subject, LiveKit, str]:
        """Find the trunk: in the file, else where the gateway keeps its own."""
        settings = Settings()
        path = self.file or Path(settings.trunks_file)
        known: list[str] = []
        if self.file is not None or path.exists():
            read = reading.load(
                path,
                environment=environment(),
                deployment=settings.deployment,
                i_know=self.i_know,
            )
            wanted = read.desired
            if self.name in wanted.trunks:
                return of_file(wanted, self.name), wanted.livekit, wanted.deployment
            known += wanted.trunks
        if self.provided is None:
            raise self._unknown(known)
        subjects = {one.name: one for one in await self.provided.subjects()}
        if self.name not in subjects:
            raise self._unknown([*known, *subjects])
        return subjects[self.name], self.provided.livekit(), settings.deployment

    def _unknown(self, known: list[str]) -> _NoSuchTrunk:
        return _NoSuchTrunk(f"There is no trunk {self.name}. {closest(self.name, known)}")
