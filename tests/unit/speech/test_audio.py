"""Reading uploads and writing what clients ask for."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest

from sandbox.speech.audio import CONTENT_TYPES, BadAudio, decode, encode, pcm16, wav
from sandbox.speech.kokoro import trimmed
from sandbox.speech.moonshine import SAMPLE_RATE, cut_to_sound, pieces
from sandbox.speech.onnx_model import Floats


def tone(seconds: float, rate: int, hertz: float = 440.0) -> Floats:
    time = np.arange(round(seconds * rate), dtype=np.float32) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def pitch(audio: Floats, rate: int) -> float:
    return float(np.abs(np.fft.rfft(audio)).argmax()) * rate / audio.size


def riff(code: int, bits: int, rate: int, data: bytes, channels: int = 1) -> bytes:
    block = channels * bits // 8
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, code, channels, rate, rate * block, block, bits)
    body = b"WAVE" + fmt + struct.pack("<4sI", b"data", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_a_wav_of_any_rate_is_read_at_the_rate_asked_for(rate: int) -> None:
    audio = decode(wav(pcm16(tone(1.0, rate)), rate), rate=SAMPLE_RATE)
    assert audio.dtype == np.float32
    assert abs(audio.size - SAMPLE_RATE) < 20
    assert pitch(audio, SAMPLE_RATE) == pytest.approx(440, abs=2)
    assert np.abs(audio).max() == pytest.approx(0.5, abs=0.05)


def test_mu_law_of_the_telephone_is_read() -> None:
    silence_and_full_scale = bytes([0xFF] * 800 + [0x80, 0x00] * 400)
    audio = decode(riff(7, 8, 8000, silence_and_full_scale), rate=8000)
    assert audio.size == 1600
    assert np.abs(audio[:700]).max() < 0.01
    assert np.abs(audio[900:]).max() > 0.9


def test_floating_point_and_stereo_are_read() -> None:
    left_only = np.stack([tone(0.5, 16_000), np.zeros(8_000, np.float32)], axis=1)
    audio = decode(riff(3, 32, 16_000, left_only.tobytes(), channels=2), rate=16_000)
    assert audio.size == 8_000
    assert pitch(audio, 16_000) == pytest.approx(440, abs=3)


def test_a_wav_whose_length_was_not_known_when_it_began_is_read() -> None:
    whole = wav(pcm16(tone(0.5, 16_000)), 16_000)
    streamed = whole[:40] + b"\xff\xff\xff\xff" + whole[44:]
    assert decode(streamed, rate=16_000).size == 8_000


@pytest.mark.parametrize("data", [b"", b"hello", b"RIFF\x00\x00\x00\x00WAVE", bytes(5000)])
def test_what_is_no_audio_is_refused(data: bytes) -> None:
    with pytest.raises(BadAudio):
        decode(data, rate=SAMPLE_RATE)


def test_a_wav_without_samples_is_silence() -> None:
    assert decode(wav(b"", 16_000), rate=16_000).size == 0


@pytest.mark.parametrize("form", sorted(set(CONTENT_TYPES) - {"pcm"}))
def test_what_is_written_can_be_read_again(form: str) -> None:
    audio = decode(encode(pcm16(tone(1.0, 24_000)), 24_000, form), rate=24_000)
    assert audio.size == pytest.approx(24_000, abs=3_000)
    assert pitch(audio, 24_000) == pytest.approx(440, abs=3)


def test_a_wav_says_its_true_length() -> None:
    with wave.open(io.BytesIO(encode(bytes(4800), 24_000, "wav"))) as read:
        assert (read.getnframes(), read.getframerate(), read.getnchannels()) == (2400, 24_000, 1)


def test_too_loud_a_sample_is_held_at_full_scale() -> None:
    loud = np.array([2.0, -2.0], dtype=np.float32)
    assert np.frombuffer(pcm16(loud), "<i2").tolist() == [32767, -32767]


def test_silence_around_speech_is_cut_short() -> None:
    quiet = np.zeros(24_000, np.float32)
    audio = trimmed(np.concatenate([quiet, tone(1.0, 24_000), quiet]))
    assert 24_000 < audio.size < 30_000
    assert trimmed(quiet).size == 0


def test_ears_get_only_what_sounds() -> None:
    quiet = np.zeros(SAMPLE_RATE, np.float32)
    speech = tone(0.5, SAMPLE_RATE)
    cut = cut_to_sound(np.concatenate([quiet, speech, quiet]))
    assert speech.size <= cut.size <= speech.size + SAMPLE_RATE // 5
    assert cut_to_sound(quiet).size == 0
    assert cut_to_sound(np.zeros(10, np.float32)).size == 0


def test_long_audio_is_cut_where_nobody_speaks() -> None:
    word, gap = tone(3.0, SAMPLE_RATE), np.zeros(SAMPLE_RATE // 2, np.float32)
    audio = np.concatenate([word, gap] * 20)
    found = pieces(audio)
    assert sum(piece.size for piece in found) == audio.size
    assert all(piece.size <= 24 * SAMPLE_RATE for piece in found)
    assert all(np.abs(piece[-300:]).max() < 0.01 for piece in found[:-1])
    assert len(pieces(word)) == 1
