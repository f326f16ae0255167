"""Measure the real engines: how fast they are and how well the ears follow the voices.

``python -m sandbox.speech.selftest`` speaks a fixed text, sends it through a telephone line (8 kHz,
mu-law), recognises it and prints word error rate, real-time factors and memory. It needs jiwer,
which comes with the packages for tests.
"""

from __future__ import annotations

import argparse
import re
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median

import jiwer

from sandbox.speech.audio import decode, pcm16, telephone_wav
from sandbox.speech.kokoro import SAMPLE_RATE, Kokoro
from sandbox.speech.last_resort import find_last_resort
from sandbox.speech.moonshine import SAMPLE_RATE as EARS_RATE
from sandbox.speech.moonshine import Moonshine
from sandbox.speech.narrator import VoiceEngine
from sandbox.speech.script import load_script
from sandbox.speech.settings import SpeechSettings
from sandbox.speech.spoken_text import sentences, speakable
from sandbox.speech.weights import ensure_weights

VOICES = ("af_heart", "am_michael", "bf_emma", "bm_george", "af_nova", "am_echo")
SENTENCES = (
    "Hello, this is the automated assistant of Riverside Dental.",
    "I am calling about your appointment on Tuesday afternoon. Does that time still suit you?",
    "Yes, it is a good time. Who is calling, please?",
    "Could you tell me what time my appointment is?",
    "I would like to move it to another day, if that is possible.",
    "Wednesday morning works better for me than Thursday evening.",
    "Of course. The office will call you back this afternoon to settle it.",
    "Sorry, I did not catch that. Could you say it again, please?",
    "The parking lot is behind the building, next to the library.",
    "My daughter will drive me there, so please send the address to her.",
    "Please leave a message after the tone, and we will return your call.",
    "The line is very bad today. Can you hear me now?",
    "Thank you very much for your help, and have a wonderful weekend.",
    "No, that is everything for today. Goodbye.",
)
SHORT = (
    *("Yes.", "No.", "Hello?", "Goodbye.", "Bye.", "Okay.", "Tuesday.", "Hi.", "Sure.", "Correct."),
    *("Yes, please.", "No, thank you.", "Thank you, goodbye.", "That's right.", "Who is this?"),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One sentence spoken and recognised. Units: seconds."""

    said: str
    heard: str
    audio: float
    speaking: float
    listening: float


def trial(voices: VoiceEngine, ears: Moonshine, text: str, voice: str) -> Trial:
    """Speak a text, send it through a telephone line and recognise it."""
    began = time.perf_counter()
    spoken = b"".join(
        pcm16(voices.speak(sentence, voice=voice, speed=1.0))
        for sentence in sentences(speakable(text))
    )
    spoke = time.perf_counter()
    line = decode(telephone_wav(spoken, SAMPLE_RATE), rate=EARS_RATE)
    began_listening = time.perf_counter()
    heard = ears.recognise(line)
    listened = time.perf_counter()
    return Trial(text, heard, line.size / EARS_RATE, spoke - began, listened - began_listening)


def plain(text: str) -> str:
    """Reduce a text to its words: no case, no punctuation, no hyphens."""
    return " ".join(re.sub(r"[^a-z' ]", "", text.lower().replace("-", "")).split())


def word_error_rate(trials: Sequence[Trial]) -> float:
    """Return errors by words said."""
    return float(jiwer.wer([plain(t.said) for t in trials], [plain(t.heard) for t in trials]))


def main() -> int:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.speech.selftest", description=__doc__)
    parser.add_argument("--engine", choices=["kokoro", "flite", "espeak-ng"], default="kokoro")
    parser.add_argument("--script", action="store_true", help="also every reply of the script")
    parser.add_argument("--quiet", action="store_true", help="only the figures")
    asked = parser.parse_args()
    settings = SpeechSettings()
    weights = ensure_weights(settings.models_dir)
    before = time.perf_counter()
    ears = Moonshine(weights, threads=settings.ears_threads)
    voices: VoiceEngine
    if asked.engine == "kokoro":
        voices = Kokoro(weights, threads=settings.voice_threads)
    else:
        voices = find_last_resort(asked.engine)
    voices.speak("Hello.", voice=VOICES[0], speed=1.0)
    print(f"loaded {voices.name} and {ears.name} in {time.perf_counter() - before:.1f} s")
    groups: dict[str, tuple[str, ...]] = {"sentences": SENTENCES, "short answers": SHORT}
    if asked.script:
        groups["script"] = _replies()
    for name, texts in groups.items():
        _report(name, _trials(voices, ears, texts, quiet=asked.quiet))
    print(f"memory: at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0


def _trials(
    voices: VoiceEngine, ears: Moonshine, texts: Sequence[str], *, quiet: bool
) -> list[Trial]:
    done: list[Trial] = []
    for text, voice in zip(texts, cycle(VOICES), strict=False):
        done.append(trial(voices, ears, text, voice))
        if not quiet:
            mark = " " if plain(text) == plain(done[-1].heard) else "*"
            print(f"{mark} {len(done):3}/{len(texts)} {voice:11} {text}\n{'':21}{done[-1].heard}")
    return done


def _report(name: str, trials: Sequence[Trial]) -> None:
    audio = sum(t.audio for t in trials)
    words = sum(len(plain(t.said).split()) for t in trials)
    speaking = sum(t.speaking for t in trials) / audio
    listening = sum(t.listening for t in trials) / audio
    print(
        f"{name}: {words} words, {audio:.0f} s of audio\n"
        f"  word error rate      {100 * word_error_rate(trials):.1f} %\n"
        f"  heard as nothing     {sum(not plain(t.heard) for t in trials)} of {len(trials)}\n"
        f"  speaking             {speaking:.2f} of real time, "
        f"median {1000 * median(t.speaking for t in trials):.0f} ms\n"
        f"  recognising          {listening:.3f} of real time, "
        f"median {1000 * median(t.listening for t in trials):.0f} ms",
        flush=True,
    )


def _replies() -> tuple[str, ...]:
    script = load_script()
    facts = {name: fact.default for name, fact in script.facts.items()}
    texts = [script.greeting, *script.fallbacks]
    texts += [said for rule in script.rules for said in rule.says]
    return tuple(dict.fromkeys(text.format(**facts, heard="Wednesday") for text in texts))


if __name__ == "__main__":
    raise SystemExit(main())
