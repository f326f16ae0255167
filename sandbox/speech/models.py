"""Which model names the server answers to."""

from __future__ import annotations

import re
from typing import Final

from sandbox.speech.openai_errors import ApiError

#: Own names, with what they are.
VOICE, EARS, SCRIPT = "kokoro-82m", "moonshine-tiny", "scripted"
OWN_MODELS: Final = {
    VOICE: "Text to speech: Kokoro-82M, int8.",
    EARS: "Speech to text, English: moonshine-tiny, 8 bit.",
    SCRIPT: "A fixed script with a few rules. It is not a language model.",
}
#: OpenAI's names that mean the same here, so that a configuration for its API works unchanged.
_ALIASES: Final = {
    VOICE: re.compile(r"(gpt-.*-)?tts(-.*)?|kokoro.*"),
    EARS: re.compile(r"whisper.*|gpt-.*transcribe.*|moonshine.*"),
    SCRIPT: re.compile(r"(gpt|chatgpt)-(?!.*(tts|transcribe)).*|o\d(-.*)?|scripted.*"),
}
LISTED_ALIASES: Final = {
    VOICE: ("gpt-4o-mini-tts", "tts-1", "tts-1-hd"),
    EARS: ("gpt-4o-mini-transcribe", "gpt-4o-transcribe", "whisper-1"),
    SCRIPT: ("gpt-4o-mini", "gpt-4o", "gpt-4.1-mini"),
}


def require_model(asked: str, own: str) -> None:
    """Refuse a model name that does not mean ``own``.

    Errors: ApiError 404 ``model_not_found``.
    """
    if not _ALIASES[own].fullmatch(asked):
        known = ", ".join((own, *LISTED_ALIASES[own]))
        raise ApiError(
            404,
            f"The model '{asked}' does not exist here for this use. Try one of: {known}.",
            param="model",
            code="model_not_found",
        )
