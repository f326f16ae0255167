"""What all calls of one worker share: loaded once, before the first call.

A job runs in a thread with an event loop of its own. The VAD's ONNX session and a TLS context may
be used by all of them; HTTP connections belong to one loop and are made for each call.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final

from livekit.agents import vad

from agent.speech.detector import Detector

#: Silence that ends a stretch of speech. The rest of the pause before a reply is the
#: conversation's endpointing delay.
MIN_SILENCE_SECONDS: Final = 0.3


@dataclass(frozen=True)
class SharedModels:
    """The process-wide parts of every conversation."""

    vad: vad.VAD
    #: None where the models are reached without TLS.
    tls: ssl.SSLContext | None
    base_url: str
    api_key: str

    def __repr__(self) -> str:
        return f"SharedModels({self.base_url})"


def load_shared(base_url: str, api_key: str) -> SharedModels:
    """Load the models; takes a few hundred milliseconds."""
    return SharedModels(
        vad=Detector.load(min_silence_duration=MIN_SILENCE_SECONDS, sample_rate=16_000),
        tls=ssl.create_default_context() if base_url.startswith("https:") else None,
        base_url=base_url,
        api_key=api_key,
    )
