"""The ears: moonshine-tiny, 8-bit weights, on onnxruntime.

Two habits of the model are worked around here. Long silence before short words makes it answer with
nothing, so audio is cut close to its first sound and only followed by silence; and what still comes
back empty is asked again with other paddings. On noise it can repeat itself without end, so its
answer is no longer than anybody can talk.

Source: the arrangement of encoder, merged decoder and cache is that of Moonshine's ONNX release.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from sandbox.speech.onnx_model import Floats, OnnxModel, Tensor
from sandbox.speech.weights import Weights

SAMPLE_RATE = 16_000
_START, _END = 1, 2
_HEADS, _HEAD_SIZE = 8, 36
_TOKENS_PER_SECOND = 6.5
#: The model takes at most a minute; pieces of this length are cut at their quietest place.
_PIECE_SECONDS = 24.0
_CUT_WINDOW_SECONDS = 4.0
_FRAME = SAMPLE_RATE // 50
_PAUSE_FRAMES = 15
_SILENCE_RMS = 0.0015
_SOUND_OF_PEAK = 0.08
_SHORTEST_SECONDS = 0.1
#: Seconds of silence before and after the words, in the order they are tried.
_PADDINGS: Final = ((0.1, 0.5), (0.1, 0.1), (0.0, 0.0), (0.25, 0.25))
_BYTE = re.compile(r"<0x([0-9A-F]{2})>\Z")


class Moonshine:
    """Recognise English speech.

    Units: audio is mono, 16 kHz, float32 in -1..1.
    """

    name = "moonshine-tiny-q8"

    def __init__(self, weights: Weights, *, threads: int) -> None:
        self._encoder = OnnxModel(weights.path("moonshine/encoder.onnx"), threads=threads)
        self._decoder = OnnxModel(weights.path("moonshine/decoder.onnx"), threads=threads)
        self._vocabulary = _read_vocabulary(weights.path("moonshine/tokenizer.json"))
        self._caches = [n for n in self._decoder.input_names if n.startswith("past_key_values.")]

    def recognise(self, audio: Floats) -> str:
        """Return the words, or nothing where nobody speaks."""
        said = (self._recognise_piece(piece) for piece in pieces(audio))
        return " ".join(words for words in said if words)

    def _recognise_piece(self, audio: Floats) -> str:
        spoken = cut_to_sound(audio)
        if spoken.size < _SHORTEST_SECONDS * SAMPLE_RATE:
            return ""
        for before, after in _PADDINGS:
            words = self._transcribe(_padded(spoken, before, after))
            if any(c.isalnum() for c in words):
                return words
        return ""

    def _transcribe(self, audio: Floats) -> str:
        """Decode greedily, one token at a time."""
        heard = self._encoder.run({"input_values": audio[np.newaxis]})[0]
        empty = np.zeros((0, _HEADS, 1, _HEAD_SIZE), np.float32)
        cache: dict[str, Tensor] = dict.fromkeys(self._caches, empty)
        tokens = [_START]
        for step in range(round(audio.size / SAMPLE_RATE * _TOKENS_PER_SECOND) + 2):
            logits, *present = self._decoder.run(
                {
                    "input_ids": np.array([tokens[-1:]], dtype=np.int64),
                    "encoder_hidden_states": heard,
                    "use_cache_branch": np.array([step > 0]),
                    **cache,
                }
            )
            token = int(logits[0, -1].argmax())
            if token == _END:
                break
            tokens.append(token)
            # What was made of the audio does not change after the first step.
            for name, value in zip(self._caches, present, strict=True):
                if step == 0 or ".decoder." in name:
                    cache[name] = value
        return self._words(tokens[1:])

    def _words(self, tokens: list[int]) -> str:
        written = b"".join(self._vocabulary.get(token, b"") for token in tokens)
        return " ".join(written.decode("utf-8", errors="ignore").split())


def cut_to_sound(audio: Floats) -> Floats:
    """Drop the silence before the first and after the last sound; nothing is left of silence."""
    frames = audio.size // _FRAME
    if not frames:
        return np.zeros(0, np.float32)
    loudness = _loudness(audio)
    peak = float(loudness.max())
    if peak < _SILENCE_RMS:
        return np.zeros(0, np.float32)
    sounding = np.flatnonzero(loudness > max(_SILENCE_RMS, peak * _SOUND_OF_PEAK))
    margin = 3
    first = max(0, int(sounding[0]) - margin)
    last = min(frames, int(sounding[-1]) + 1 + margin)
    return audio[first * _FRAME : last * _FRAME]


def pieces(audio: Floats) -> list[Floats]:
    """Cut long audio at its quietest places into what the model can take."""
    longest, window = round(_PIECE_SECONDS * SAMPLE_RATE), round(_CUT_WINDOW_SECONDS * SAMPLE_RATE)
    cuts = [0]
    while audio.size - cuts[-1] > longest:
        end = cuts[-1] + longest
        cuts.append(end - window + _quietest(audio[end - window : end]))
    return [audio[a:b] for a, b in pairwise([*cuts, audio.size])]


def _quietest(audio: Floats) -> int:
    """Return the middle of the quietest stretch, in samples."""
    stretch = np.ones(_PAUSE_FRAMES, np.float32)
    around = np.convolve(_loudness(audio), stretch, mode="valid")
    return (int(around.argmin()) + _PAUSE_FRAMES // 2) * _FRAME


def _loudness(audio: Floats) -> Floats:
    frames = audio[: audio.size // _FRAME * _FRAME].reshape(-1, _FRAME)
    return np.sqrt(np.mean(np.square(frames), axis=1))


def _padded(audio: Floats, before: float, after: float) -> Floats:
    return np.pad(audio, (round(before * SAMPLE_RATE), round(after * SAMPLE_RATE)))


def _read_vocabulary(path: Path) -> dict[int, bytes]:
    """Read what each token writes; special tokens write nothing.

    Source: SentencePiece's byte fallback: ``<0x0A>`` is one byte, and ``▁`` is a space.
    """
    tokens: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"]
    special = {"<unk>", "<s>", "</s>"}
    return {number: _written(token) for token, number in tokens.items() if token not in special}


def _written(token: str) -> bytes:
    one_byte = _BYTE.match(token)
    if one_byte:
        return bytes([int(one_byte[1], 16)])
    return token.replace("▁", " ").encode()
