"""What was found of one part, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rich.console import Console
from rich.markup import escape

from trunks.doctor.explanations import EXPLANATIONS


class Verdict(StrEnum):
    """How a part is."""

    GOOD = "ok"
    DOUBT = "check"
    BAD = "fix"


_MARKS = {
    Verdict.GOOD: "[green]ok[/]   ",
    Verdict.DOUBT: "[yellow]check[/]",
    Verdict.BAD: "[red]fix[/]  ",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part.

    Shape: ``cause`` is a name of ``EXPLANATIONS``, empty where nothing needs one.
    """

    part: str
    verdict: Verdict
    said: str
    cause: str = ""


def good(part: str, said: str) -> Finding:
    """Say that a part is as it should be."""
    return Finding(part, Verdict.GOOD, said)


def doubt(part: str, said: str, cause: str = "") -> Finding:
    """Say that a part may be wrong, or cannot be seen from here."""
    return Finding(part, Verdict.DOUBT, said, cause)


def bad(part: str, said: str, cause: str = "") -> Finding:
    """Say that a part must be mended."""
    return Finding(part, Verdict.BAD, said, cause)


def show(console: Console, finding: Finding) -> None:
    """Print a finding, and below it what its cause means and what to do."""
    said = escape(_printable(finding.said))
    console.print(
        f"{_MARKS[finding.verdict]} [bold]{escape(finding.part)}[/]: {said}",
        highlight=False,
        soft_wrap=True,
    )
    if finding.cause:
        explanation = EXPLANATIONS[finding.cause]
        for line in (explanation.means, f"Do: {explanation.fix}", *_more(finding.cause)):
            console.print(f"      {line}", markup=False, highlight=False, soft_wrap=True)


def _printable(text: str) -> str:
    """Keep a far end's words from steering the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _more(cause: str) -> list[str]:
    explanation = EXPLANATIONS[cause]
    told = {"Settings": explanation.settings, "Upstream": explanation.upstream}
    return [f"{name}: {', '.join(values)}" for name, values in told.items() if values]


def as_json(finding: Finding) -> dict[str, object]:
    """Give a finding for programs."""
    told: dict[str, object] = {
        "part": finding.part,
        "verdict": finding.verdict.value,
        "said": finding.said,
    }
    if not finding.cause:
        return told
    explanation = EXPLANATIONS[finding.cause]
    return told | {
        "cause": finding.cause,
        "means": explanation.means,
        "fix": explanation.fix,
        "settings": list(explanation.settings),
        "upstream": list(explanation.upstream),
    }
