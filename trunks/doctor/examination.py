"""Examine one trunk: every part in the order of a call's road."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from trunks.doctor import (
    callers,
    calling,
    handshake,
    matching,
    naming,
    signalling,
    versions,
)
from trunks.doctor.calling import Phone
from trunks.doctor.findings import Finding, Verdict, bad, doubt
from trunks.doctor.subject import Subject
from trunks.errors import TrunkError
from trunks.patience import Patience
from trunks.resources import Adapter, Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What is asked about a trunk.

    Shape: ``called`` is a number that somebody calls from the address ``source`` and shows
    ``caller``; ``call`` is one to be called, which ``echoes`` or not; the versions are empty where
    the binaries of this machine tell.
    """

    called: str = ""
    source: str = ""
    caller: str = ""
    call: str = ""
    echoes: bool = False
    bridge_version: str = ""
    server_version: str = ""


@dataclass(slots=True)
class Examination:
    """One trunk, LiveKit as a place, and who places test calls."""

    subject: Subject
    livekit: Adapter
    phone: Phone | None
    asked: Questions
    patience: Patience = field(default_factory=lambda: Patience(tries=2))

    async def findings(self) -> AsyncIterator[Finding]:
        """Look at one part after the other."""
        if self.subject.address:
            async for finding in self._way_out():
                yield finding
        for finding in self._versions():
            yield finding
        try:
            found = await self.patience.insist(self.livekit.found)
        except TrunkError as error:
            yield bad("livekit", str(error))
            return
        if self.subject.address:
            for finding in callers.probe(found, self.subject):
                yield finding
        async for finding in self._inbound(found):
            yield finding
        async for finding in self._call(found):
            yield finding

    async def _way_out(self) -> AsyncIterator[Finding]:
        named = [finding async for finding in naming.probe(self.subject)]
        for finding in named:
            yield finding
        if any(finding.verdict is Verdict.BAD for finding in named):
            return
        if self.subject.transport == "tls":
            async for finding in handshake.probe(self.subject):
                yield finding
                if finding.cause in ("no_tls", "nobody_listens", "no_answer"):
                    return
        async for finding in signalling.probe(self.subject):
            yield finding

    def _versions(self) -> Iterator[Finding]:
        transport = self.subject.transport
        yield from versions.probe("livekit-sip", self.asked.bridge_version, transport)
        yield from versions.probe("livekit-server", self.asked.server_version, transport)

    async def _inbound(self, found: Sequence[Found]) -> AsyncIterator[Finding]:
        numbers = [self.asked.called] if self.asked.called else self.subject.called
        for number in numbers:
            invite = matching.Invite(number, await self._source(), self.asked.caller)
            for finding in matching.findings(found, invite, self.subject.livekit_name):
                yield finding

    async def _source(self) -> str:
        """Give an address that the carrier calls from: told, listed, or its own."""
        if self.asked.source:
            return self.asked.source
        if self.subject.allowed_addresses:
            return self.subject.allowed_addresses[0].partition("/")[0]
        addresses = await naming.addresses_of(self.subject.host) if self.subject.host else []
        return addresses[0] if addresses else "0.0.0.0"

    async def _call(self, found: Sequence[Found]) -> AsyncIterator[Finding]:
        if not self.asked.call or self.phone is None:
            return
        there = callers.in_livekit(found, self.subject)
        if there is None:
            yield doubt("call", "was not placed: LiveKit has no trunk to place it by", "no_trunk")
            return
        calling_it = calling.probe(
            self.phone, self.subject, there.id, self.asked.call, echoes=self.asked.echoes
        )
        try:
            async for finding in calling_it:
                yield finding
        except TrunkError as error:
            yield bad("call", str(error))
