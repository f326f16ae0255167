"""Read what clients upload and write what they ask for."""

from __future__ import annotations

import io
import wave
from typing import Any, Final, cast

import av
import numpy as np
import numpy.typing as npt
import soxr
from av.error import FFmpegError

from sandbox.speech.onnx_model import Floats

_FULL_SCALE = 32767
_LINE_RATE = 8_000
#: Format asked for -> (container, codec, bit rate).
_ENCODERS: Final[dict[str, tuple[str, str, int | None]]] = {
    "mp3": ("mp3", "libmp3lame", 64_000),
    "opus": ("ogg", "libopus", 32_000),
    "aac": ("adts", "aac", 64_000),
    "flac": ("flac", "flac", None),
    "telephone": ("wav", "pcm_mulaw", None),
}
CONTENT_TYPES: Final = {
    "pcm": "audio/pcm",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
}


class BadAudio(ValueError):
    """The bytes are not audio that can be read."""


def decode(data: bytes, *, rate: int) -> Floats:
    """Read a WAV of any kind (or mp3, ogg, flac, webm) as mono float32 at ``rate``.

    Errors: BadAudio.
    """
    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            if not container.streams.audio:
                raise BadAudio("the file has no audio in it")
            mono = av.AudioResampler(format="flt", layout="mono")
            blocks: list[Floats] = []
            own_rate = container.streams.audio[0].rate
            for frame in container.decode(audio=0):
                blocks.extend(_samples(part) for part in mono.resample(frame))
            blocks.extend(_samples(part) for part in mono.resample(None))
    except (FFmpegError, ValueError, EOFError) as error:
        if isinstance(error, BadAudio):
            raise
        raise BadAudio("the file is not audio in a format that can be read") from error
    audio = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return resampled(audio, own_rate, rate)


def resampled(audio: Floats, from_rate: int, to_rate: int) -> Floats:
    """Change the sample rate."""
    if from_rate == to_rate or not audio.size:
        return audio
    return cast(Floats, soxr.resample(audio, from_rate, to_rate)).astype(np.float32, copy=False)


def pcm16(audio: Floats) -> bytes:
    """Return signed 16-bit little-endian samples."""
    return (np.clip(audio, -1, 1) * _FULL_SCALE).astype("<i2").tobytes()


def wav(pcm: bytes, rate: int) -> bytes:
    """Put mono 16-bit samples into a WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return out.getvalue()


def telephone_wav(pcm: bytes, rate: int) -> bytes:
    """Return what a telephone line leaves of mono 16-bit samples: 8 kHz, mu-law."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(_FULL_SCALE)
    return encode(pcm16(resampled(samples, rate, _LINE_RATE)), _LINE_RATE, "telephone")


def encode(pcm: bytes, rate: int, form: str) -> bytes:
    """Write mono 16-bit samples in one of the formats of CONTENT_TYPES, or for the telephone."""
    if form == "pcm":
        return pcm
    if form == "wav":
        return wav(pcm, rate)
    container_name, codec, bit_rate = _ENCODERS[form]
    out = io.BytesIO()
    with av.open(out, mode="w", format=container_name) as opened:
        container = cast(Any, opened)
        stream = container.add_stream(codec, rate=rate, layout="mono")
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        samples = np.frombuffer(pcm, dtype="<i2").reshape(1, -1)
        if samples.size:
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def _samples(frame: av.AudioFrame) -> Floats:
    return cast(npt.NDArray[np.float32], frame.to_ndarray()).ravel()
