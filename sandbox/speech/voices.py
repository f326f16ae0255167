"""Which voice a request means: OpenAI's names, or the engines' own."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

#: OpenAI's voice name -> Kokoro's. Every one sounds different.
OPENAI_VOICES: Final = MappingProxyType(
    {
        "alloy": "af_heart",
        "ash": "am_michael",
        "ballad": "bm_george",
        "cedar": "am_fenrir",
        "coral": "af_bella",
        "echo": "am_echo",
        "fable": "bm_fable",
        "marin": "af_sarah",
        "nova": "af_nova",
        "onyx": "am_onyx",
        "sage": "bf_emma",
        "shimmer": "af_aoede",
        "verse": "am_puck",
    }
)

#: Kokoro's English voices: a American, b British; f female, m male.
KOKORO_VOICES: Final = (
    *("af_alloy", "af_aoede", "af_bella", "af_heart", "af_jessica", "af_kore", "af_nicole"),
    *("af_nova", "af_river", "af_sarah", "af_sky"),
    *("am_adam", "am_echo", "am_eric", "am_fenrir", "am_liam", "am_michael", "am_onyx"),
    *("am_puck", "am_santa"),
    *("bf_alice", "bf_emma", "bf_isabella", "bf_lily"),
    *("bm_daniel", "bm_fable", "bm_george", "bm_lewis"),
)


def kokoro_voice(name: str) -> str | None:
    """Return Kokoro's name for a voice, or None when nobody has that name."""
    name = name.strip().lower()
    return OPENAI_VOICES.get(name) or (name if name in KOKORO_VOICES else None)


def espeak_language(kokoro_name: str) -> str:
    """Return which English a Kokoro voice speaks, as espeak-ng names it."""
    return "en-gb" if kokoro_name.startswith("b") else "en-us"
