"""Keep synthesised sentences: in memory for this run, on disk for the next."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

_SUFFIX = ".pcm"


@dataclass(frozen=True, slots=True)
class Utterance:
    """What makes two syntheses the same."""

    engine: str
    version: str
    voice: str
    speed: float
    text: str

    @property
    def file_name(self) -> str:
        """Return a name that tells nobody what was said."""
        parts = (self.engine, self.version, self.voice, f"{self.speed:.3f}", self.text)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest() + _SUFFIX


class AudioCache:
    """A memory of bounded size over a folder of bounded size.

    Units: both bounds are bytes; 0 turns that half off. The oldest used goes first.
    """

    def __init__(self, folder: Path, *, memory_bytes: int, disk_bytes: int) -> None:
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._disk_bytes = disk_bytes
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0

    def get(self, utterance: Utterance) -> bytes | None:
        """Return the audio if it is in memory."""
        pcm = self._memory.get(utterance.file_name)
        if pcm is not None:
            self._memory.move_to_end(utterance.file_name)
        return pcm

    def keep(self, utterance: Utterance, pcm: bytes) -> None:
        """Keep audio in memory."""
        if len(pcm) > self._memory_bytes or utterance.file_name in self._memory:
            return
        self._memory[utterance.file_name] = pcm
        self._held += len(pcm)
        while self._held > self._memory_bytes:
            _, dropped = self._memory.popitem(last=False)
            self._held -= len(dropped)

    def read(self, utterance: Utterance) -> bytes | None:
        """Return the audio if it is on disk. Blocks: not for the event loop."""
        if not self._disk_bytes:
            return None
        path = self._folder / utterance.file_name
        try:
            pcm = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return pcm

    def write(self, utterance: Utterance, pcm: bytes) -> None:
        """Put audio on disk; a full or read-only disk only costs the speed. Blocks."""
        if not self._disk_bytes:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                file.write(pcm)
            Path(file.name).replace(self._folder / utterance.file_name)
        except OSError:
            return

    def prune(self) -> None:
        """Delete the longest unused files above the bound. Blocks."""
        if not self._folder.is_dir():
            return
        files = sorted(
            ((f.stat().st_mtime, f.stat().st_size, f) for f in self._folder.glob(f"*{_SUFFIX}")),
            reverse=True,
        )
        held = 0
        for _, size, file in files:
            held += size
            if held > self._disk_bytes:
                file.unlink(missing_ok=True)
