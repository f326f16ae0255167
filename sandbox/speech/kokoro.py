"""The neural voice: Kokoro-82M, int8, on onnxruntime."""

from __future__ import annotations

import numpy as np

from sandbox.speech.onnx_model import Floats, OnnxModel
from sandbox.speech.phonemes import phoneme_ids, phonemes
from sandbox.speech.voices import espeak_language
from sandbox.speech.weights import Weights

SAMPLE_RATE = 24_000
_STYLE = 256
_MAX_SOUNDS = 509
_AUDIBLE = 0.01
_LEAD_SECONDS = 0.05
_TAIL_SECONDS = 0.12


class Kokoro:
    """Speak a sentence.

    Units: audio is mono, 24 kHz, float32 in -1..1.
    """

    name = "kokoro-82m-int8"

    def __init__(self, weights: Weights, *, threads: int) -> None:
        self._model = OnnxModel(weights.path("kokoro/model.onnx"), threads=threads)
        self._voices = weights.path("kokoro/voices")
        self._styles: dict[str, Floats] = {}
        self.version = weights.digest

    def speak(self, text: str, *, voice: str, speed: float) -> Floats:
        """Return the audio of one sentence, with the silence around it cut short.

        Shape: ``voice`` is one of Kokoro's own names.
        """
        ids = phoneme_ids(phonemes(text, language=espeak_language(voice)))[:_MAX_SOUNDS]
        if not ids:
            return np.zeros(0, np.float32)
        inputs = {
            "tokens": np.array([[0, *ids, 0]], dtype=np.int64),
            "style": self._style(voice)[len(ids)][np.newaxis],
            "speed": np.array([speed], dtype=np.float32),
        }
        return trimmed(self._model.run(inputs)[0].ravel())

    def _style(self, voice: str) -> Floats:
        """Return the voice's table: one style for each length of sentence."""
        if voice not in self._styles:
            table = np.fromfile(self._voices / f"{voice}.bin", dtype=np.float32)
            self._styles[voice] = table.reshape(-1, _STYLE)
        return self._styles[voice]


def trimmed(audio: Floats, *, rate: int = SAMPLE_RATE) -> Floats:
    """Cut the silence before and after the words to what a listener needs."""
    loud = np.flatnonzero(np.abs(audio) > _AUDIBLE)
    if not loud.size:
        return np.zeros(0, np.float32)
    first = max(0, int(loud[0]) - round(_LEAD_SECONDS * rate))
    return audio[first : int(loud[-1]) + round(_TAIL_SECONDS * rate)]
