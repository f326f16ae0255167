"""Read what the phone heard: where the other side spoke, and how long it was quiet."""

from __future__ import annotations

import itertools
import wave
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from tests.kit.carrier_ledger import CarrierCall

#: Units: seconds.
_FRAME = 0.02
#: What counts as sound: -45 dBFS, as in the carrier's own ledger.
_AUDIBLE = 184


@dataclass(frozen=True, slots=True)
class Quiet:
    """A stretch in which nothing was heard.

    Units: seconds since the answer.
    """

    begins: float
    ends: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.ends - self.begins


def quiet_stretches(path: Path) -> list[Quiet]:
    """List where nothing was heard, the beginning and the end of the call included."""
    with wave.open(str(path)) as audio:
        rate = audio.getframerate()
        samples = np.frombuffer(audio.readframes(audio.getnframes()), dtype=np.int16)
    size = int(rate * _FRAME)
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    loud = np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) > _AUDIBLE) * _FRAME
    edges = [0.0, *(float(moment) for moment in loud), len(samples) / rate]
    return [Quiet(before, after) for before, after in itertools.pairwise(edges) if after > before]


def longest_quiet(seen: CarrierCall, since: datetime, until: datetime) -> Quiet:
    """Give the longest stretch of quiet at the phone that began between two moments or before.

    What of it came before ``since`` is left out: the callee may have been speaking itself.
    """
    answered = seen.at("answered_at")
    assert answered is not None, "nobody answered"
    first, last = (since - answered).total_seconds(), (until - answered).total_seconds()
    found = [
        Quiet(max(quiet.begins, first), quiet.ends)
        for quiet in quiet_stretches(Path(seen.raw["heard_wav"]))
        if quiet.ends > first and quiet.begins < last
    ]
    return max(found, key=lambda quiet: quiet.seconds)
