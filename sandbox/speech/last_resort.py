"""Voices for a machine on which the neural one cannot be loaded: flite, then espeak-ng.

People follow them; recognisers make many more errors on them.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path

from sandbox.speech.audio import decode
from sandbox.speech.kokoro import SAMPLE_RATE, trimmed
from sandbox.speech.onnx_model import Floats
from sandbox.speech.phonemes import EspeakMissing

_TIMEOUT_SECONDS = 20.0
_WORDS_PER_MINUTE = 150
_FLITE = {"f": ("slt",), "m": ("rms", "kal16", "awb")}
_VARIANTS = {"f": ("f2", "f3", "f4", "f5"), "m": ("m1", "m3", "m4", "m7")}


class Flite:
    """Speak by the flite program."""

    name = "flite"
    version = "1"

    def __init__(self, program: str) -> None:
        self._program = program

    def speak(self, text: str, *, voice: str, speed: float) -> Floats:
        """Return the audio of one sentence."""
        stretch = f"duration_stretch={1 / speed:.3f}"
        with tempfile.TemporaryDirectory() as folder:
            out, written = Path(folder) / "said.wav", Path(folder) / "text"
            # By a file: what is said does not belong into the list of processes.
            written.write_text(text, encoding="utf-8")
            command = [self._program, "-voice", _pick(_FLITE, voice), "--setf", stretch]
            _run([*command, "-f", str(written), "-o", str(out)])
            return trimmed(decode(out.read_bytes(), rate=SAMPLE_RATE))


class Espeak:
    """Speak by the espeak-ng program."""

    name = "espeak-ng"
    version = "1"

    def __init__(self, program: str) -> None:
        self._program = program

    def speak(self, text: str, *, voice: str, speed: float) -> Floats:
        """Return the audio of one sentence."""
        accent = "en-gb" if voice.startswith("b") else "en-us"
        words = str(round(_WORDS_PER_MINUTE * speed))
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "said.wav"
            command = [self._program, "-v", f"{accent}+{_pick(_VARIANTS, voice)}", "-s", words]
            _run([*command, "-w", str(out), "--stdin"], text)
            return trimmed(decode(out.read_bytes(), rate=SAMPLE_RATE))


def find_last_resort(choice: str) -> Flite | Espeak:
    """Return the best of the simple engines that is installed.

    Errors: EspeakMissing when there is none.
    """
    if choice != "espeak-ng" and (flite := shutil.which("flite")):
        return Flite(flite)
    if espeak := shutil.which("espeak-ng"):
        return Espeak(espeak)
    raise EspeakMissing


def _pick(table: dict[str, tuple[str, ...]], voice: str) -> str:
    """Give each of Kokoro's voices a lasting stand-in of the same sex."""
    choices = table["m" if voice[1:2] == "m" else "f"]
    return choices[zlib.crc32(voice.encode()) % len(choices)]


def _run(command: list[str], text: str = "") -> None:
    subprocess.run(
        command,
        input=text.encode(),
        capture_output=True,
        timeout=_TIMEOUT_SECONDS,
        check=True,
    )
