"""Have all that agents and phones of the sandbox say made once: ``python -m sandbox.rehearsal``.

A sentence takes the voice model less than its length on an idle machine, and many times that
beside several sandboxes. It is kept in the user's cache, so that no conversation waits for it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import dataclass

from dialer.admission.agents import load
from sandbox.folders import PROJECT
from sandbox.servers_build import build_carrier
from sandbox.speech.engines import build_engines
from sandbox.speech.narrator import Narrator
from sandbox.speech.script import load_script, whatever_is_said
from sandbox.speech.settings import SpeechSettings, tell_nobody
from sandbox.speech.voices import kokoro_voice


@dataclass(frozen=True, slots=True)
class Spoken:
    """One text and who says it, by a name that OpenAI's API knows."""

    voice: str
    text: str


def of_agents() -> list[Spoken]:
    """List what the agents of agents.yaml can say in the words of the script."""
    agents, script = load(PROJECT / "agents.yaml"), load_script()
    said: list[Spoken] = []
    for agent in (agents.resolve(name, {}) for name in agents.names):
        own = (agent.greeting, agent.goodbye, agent.silence_prompt, agent.rescue_line)
        texts = (*own, *whatever_is_said(script, agent.instructions))
        said += [Spoken(agent.voice, text) for text in texts]
    return said


def of_phones() -> list[Spoken]:
    """List what the simulated carrier's phones say."""
    asked = subprocess.run(
        [str(build_carrier()), "-lines"], check=True, capture_output=True, text=True, timeout=30
    )
    return [Spoken(**line) for line in json.loads(asked.stdout)]


async def rehearse(narrator: Narrator, said: list[Spoken]) -> None:
    """Have each text spoken to nobody; what is kept already takes no time."""
    await narrator.start()
    for number, spoken in enumerate(said, 1):
        print(f"sentences {number}/{len(said)}", flush=True)
        voice = kokoro_voice(spoken.voice)
        assert voice is not None, f"there is no voice {spoken.voice}"
        async for _ in narrator.narrate(spoken.text, voice=voice, speed=1.0):
            pass


def main() -> None:
    """Rehearse all of it, with visible progress."""
    tell_nobody()
    engines = build_engines(SpeechSettings())
    try:
        asyncio.run(rehearse(engines.narrator, [*of_phones(), *of_agents()]))
    finally:
        engines.close()


if __name__ == "__main__":
    main()
