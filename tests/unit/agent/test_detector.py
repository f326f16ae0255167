"""The detector of ours hears what the framework's own hears, sample by sample."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from livekit import rtc
from livekit.agents import vad
from livekit.plugins import silero

from agent.speech.detector import Detector

_RATE = 16_000
_FRAME = 800


def sound() -> npt.NDArray[np.int16]:
    """Make three stretches of a hummed voice between quiet ones of different lengths."""
    rng = np.random.default_rng(5)
    t = np.arange(_RATE) / _RATE
    pitch = 2 * np.pi * (140 * t + 2 * np.sin(2 * np.pi * 4 * t))
    sway = 0.6 + 0.4 * np.sin(2 * np.pi * 5 * t)
    hum = np.sum([np.sin(k * pitch) / k for k in range(1, 20)], axis=0)
    voice = (hum * sway * 7_000).astype(np.int16)

    def quiet(seconds: float) -> npt.NDArray[np.int16]:
        return rng.integers(-2, 3, int(seconds * _RATE)).astype(np.int16)

    parts = [quiet(1.1), voice, quiet(0.2), voice[:7_000], quiet(1.37), voice, quiet(0.9)]
    return np.concatenate(parts)


async def judged(detector: vad.VAD) -> list[tuple[str, int, float]]:
    """List what a detector says of the sound: kind, sample and probability of each event."""
    stream = detector.stream()
    samples = sound()
    for begin in range(0, len(samples) // _FRAME * _FRAME, _FRAME):
        piece = samples[begin : begin + _FRAME]
        stream.push_frame(rtc.AudioFrame(piece.tobytes(), _RATE, 1, len(piece)))
    found: list[tuple[str, int, float]] = []
    last = (len(samples) // _FRAME * _FRAME) // 512 * 512
    async for event in stream:
        found.append((event.type.value, event.samples_index, round(event.probability, 4)))
        if event.samples_index == last:
            break
    await stream.aclose()
    return found


@pytest.mark.asyncio
async def test_it_hears_what_the_frameworks_own_detector_hears() -> None:
    # A hum is only half a voice to the model: it shall take it for one.
    ours = await judged(_loaded(Detector))
    theirs = await judged(_loaded(silero.VAD))
    assert ours == theirs
    assert {"start_of_speech", "end_of_speech"} <= {kind for kind, *_ in ours}


def _loaded(kind: type[silero.VAD]) -> vad.VAD:
    return kind.load(
        min_silence_duration=0.3,
        sample_rate=_RATE,
        activation_threshold=0.1,
        deactivation_threshold=0.06,
    )
