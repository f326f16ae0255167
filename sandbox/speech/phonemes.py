"""Write English as the sounds that the voice model was trained on, by the espeak-ng program.

espeak-ng drops punctuation, which the model needs for its melody: the text is cut at punctuation,
each piece is put on a line of its own, and the marks are put back between the lines of the answer.

Errors: EspeakMissing.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

_MARKS = re.compile(r"(\s*[;:,.!?—…\"()“”]+\s*)")
_TIMEOUT_SECONDS = 10.0
#: What espeak-ng writes and the model has no sound for, or another one.
_RENAMED = str.maketrans({"r": "ɹ", "x": "k", "ɬ": "l", "ʲ": "j", "g": "ɡ"})
_LANGUAGE_SWITCH = re.compile(r"\([a-z-]+\)")


class EspeakMissing(RuntimeError):
    """The espeak-ng program is not installed."""

    def __init__(self) -> None:
        super().__init__("espeak-ng is missing: install it with `apt-get install espeak-ng`")


def phonemes(text: str, *, language: str) -> str:
    """Return the sounds of a sentence with its punctuation.

    Shape: ``language`` is an espeak-ng voice, ``en-us`` or ``en-gb``.
    """
    pieces = [piece for piece in _MARKS.split(text) if piece]
    words = [piece for piece in pieces if not _MARKS.fullmatch(piece)]
    sounds = iter(_sounds_of(words, language))
    joined = "".join(p if _MARKS.fullmatch(p) else next(sounds) for p in pieces)
    return joined.translate(_RENAMED).strip()


def phoneme_ids(sounds: str) -> list[int]:
    """Number the sounds; what the model does not know is left out."""
    numbers = _numbers()
    return [numbers[sound] for sound in sounds if sound in numbers]


def _sounds_of(pieces: list[str], language: str) -> list[str]:
    """Return each piece's sounds, by one run of espeak-ng where its lines can be told apart."""
    if not pieces:
        return []
    lines = [line.strip() for line in _espeak("\n".join(pieces) + "\n", language).splitlines()]
    lines = [line for line in lines if line]
    if len(lines) == len(pieces):
        return lines
    return [" ".join(_espeak(piece + "\n", language).split()) for piece in pieces]


def _espeak(text: str, language: str) -> str:
    program = shutil.which("espeak-ng")
    if program is None:
        raise EspeakMissing
    done = subprocess.run(
        [program, "-q", "--ipa", "-v", language],
        input=text,
        capture_output=True,
        encoding="utf-8",
        timeout=_TIMEOUT_SECONDS,
        check=True,
    )
    return _LANGUAGE_SWITCH.sub("", done.stdout)


@cache
def _numbers() -> dict[str, int]:
    table = Path(__file__).with_name("phoneme_ids.json")
    return json.loads(table.read_text(encoding="utf-8"))
