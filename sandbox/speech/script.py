"""The scripted chat: a few rules over the last thing that was said. It is not a language model.

What it takes from the instructions (the system message): the facts that the script's patterns find,
and text that they quote to be said. Nothing else of them changes what it says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

DEFAULT_SCRIPT = Path(__file__).with_name("script.yaml")

_NO_WORD = re.compile(r"[^a-z0-9' ]+")
_QUOTED = re.compile(
    r"\b(?:say|greet|greeting|open|answer)\b[^\"“\n]{0,60}[\"“]([^\"”]+)[\"”]", re.IGNORECASE
)
_FAREWELL = re.compile(r"\b(good-?\s?bye|farewell|hang up|end the call)\b", re.IGNORECASE)
_LONGEST_FACT = 80


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Part):
    """One cue and its replies."""

    name: str
    hears: list[re.Pattern[str]]
    unless: list[re.Pattern[str]] = []
    says: list[str]
    ends: bool = False
    repeats: bool = False


class Fact(_Part):
    """Something that instructions may tell, and what is said when they do not."""

    default: str
    patterns: list[re.Pattern[str]]


class Script(_Part):
    """The whole data file."""

    facts: dict[str, Fact]
    greeting: str
    farewell: str
    end_tools: list[str]
    rules: list[Rule]
    fallbacks: list[str]


@dataclass(frozen=True, slots=True)
class Line:
    """One message of the conversation, as plain text."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the script answers; ``ends`` asks for the tool that ends the call."""

    text: str
    ends: bool = False


def load_script(path: Path | None = None) -> Script:
    """Read a script.

    Errors: pydantic's ValidationError names the line that is wrong.
    """
    text = (path or DEFAULT_SCRIPT).read_text(encoding="utf-8")
    return Script.model_validate(yaml.safe_load(text))


def reply(script: Script, lines: Sequence[Line]) -> Reply:
    """Answer a conversation."""
    if lines and lines[-1].role == "tool":
        return Reply("")
    instructed = _instructed_now(script, lines)
    if instructed is not None:
        return instructed
    facts = _facts(script, lines)
    heard = next((line.text for line in reversed(lines) if line.role == "user"), None)
    if heard is None:
        quoted = _quoted(" ".join(line.text for line in lines if line.role == "system"))
        return Reply(quoted or script.greeting.format(**facts))
    said = [line.text.strip() for line in lines if line.role == "assistant"]
    turn = sum(line.role == "user" for line in lines)
    words = normalised(heard)
    for rule in script.rules:
        cue = _cue(rule, words)
        if cue is not None:
            text = _fresh([_filled(s, facts, cue) for s in rule.says], said, turn)
            return Reply(_again(text, said) if rule.repeats else text, rule.ends)
    return Reply(_fresh([_filled(s, facts, "") for s in script.fallbacks], said, turn))


def whatever_is_said(script: Script, instructions: str) -> list[str]:
    """List all that a conversation under these instructions can make the script say.

    What quotes the words of whoever speaks to it is not among them.
    """
    facts = _facts(script, [Line("system", instructions)])
    says = [text for rule in script.rules for text in rule.says] + script.fallbacks
    replies = [_filled(text, facts, "") for text in says if text and "{heard}" not in text]
    return [script.greeting.format(**facts), *replies, script.farewell]


def normalised(text: str) -> str:
    """Reduce words to what recognisers agree on: lower case, no punctuation, no hyphens."""
    return " ".join(_NO_WORD.sub(" ", text.lower().replace("’", "'")).split())


def _instructed_now(script: Script, lines: Sequence[Line]) -> Reply | None:
    """Obey an instruction that comes last in a conversation under way."""
    under_way = any(line.role == "user" for line in lines)
    if not under_way or lines[-1].role != "system":
        return None
    if quoted := _quoted(lines[-1].text):
        return Reply(quoted)
    return Reply(script.farewell) if _FAREWELL.search(lines[-1].text) else None


def _cue(rule: Rule, words: str) -> str | None:
    """Return what the rule heard, or None."""
    if any(pattern.search(words) for pattern in rule.unless):
        return None
    for pattern in rule.hears:
        if found := pattern.search(words):
            return found[1] or "" if pattern.groups else found[0]
    return None


def _facts(script: Script, lines: Sequence[Line]) -> dict[str, str]:
    instructions = "\n".join(line.text for line in lines if line.role == "system")
    return {name: _fact(fact, instructions) for name, fact in script.facts.items()}


def _fact(fact: Fact, instructions: str) -> str:
    for pattern in fact.patterns:
        found = pattern.search(instructions)
        if found and len(told := " ".join(found[1].split())) <= _LONGEST_FACT:
            return told
    return fact.default


def _filled(text: str, facts: dict[str, str], heard: str) -> str:
    return text.format(**facts, heard=heard.capitalize())


def _fresh(choices: list[str], said: list[str], turn: int) -> str:
    """Prefer what was not said yet in this conversation."""
    unsaid = (text for text in choices if text not in said)
    return next(unsaid, choices[(turn - 1) % len(choices)])


def _again(text: str, said: list[str]) -> str:
    last = said[-1] if said else ""
    return f"{text} {last.removeprefix(text).strip()}".strip()


def _quoted(instructions: str) -> str | None:
    found = _QUOTED.search(instructions)
    return " ".join(found[1].split()) if found else None
