"""The tables of docs/doctor.md, drawn from the doctor's own."""

from __future__ import annotations

from docs.drawing import table
from trunks.doctor.explanations import EXPLANATIONS, Explanation
from trunks.doctor.versions import KNOWN_BUGS, KnownBug


def doctor_tables() -> dict[str, str]:
    """Draw the tables of docs/doctor.md."""
    explained = [_explained(cause, one) for cause, one in EXPLANATIONS.items()]
    return {
        "doctor-explanations": table(
            ["cause", "how it shows", "what it means", "what to do", "settings", "upstream"],
            explained,
        ),
        "doctor-bugs": table(
            ["server", "versions", "what it does", "upstream"], list(map(_bug, KNOWN_BUGS))
        ),
    }


def _explained(cause: str, one: Explanation) -> list[str]:
    settings = ", ".join(f"`{name}`" for name in one.settings)
    links = ", ".join(map(_link, one.upstream))
    return [f"`{cause}`", one.seen, one.means, one.fix, settings, links]


def _bug(bug: KnownBug) -> list[str]:
    since, mended = ".".join(map(str, bug.since)), ".".join(map(str, bug.mended or ()))
    versions = f"before {mended}" if bug.since == (0,) else f"from {since}, before {mended}"
    return [bug.server, versions if mended else "all that are known", bug.says, _link(bug.upstream)]


def _link(address: str) -> str:
    owner, repository, _, number = address.removeprefix("https://github.com/").split("/")
    return f"[{owner}/{repository}#{number}]({address})"
