"""What a tree of processes costs: memory, CPU, file descriptors. Source: proc(5)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """One look at a tree.

    Units: PSS in bytes, CPU in seconds since the start, those of ended children included.
    """

    processes: int
    pss: int
    cpu: float
    fds: int


def tree(roots: Iterable[int]) -> set[int]:
    """Give the processes and all that descend from them."""
    parents = {pid: fields[1] for pid in _all() if (fields := _stat(pid))}
    found = {pid for pid in roots if pid in parents}
    while more := {p for p, parent in parents.items() if int(parent) in found and p not in found}:
        found |= more
    return found


def usage(roots: Iterable[int]) -> Usage:
    """Look at the tree now."""
    pids = tree(roots)
    return Usage(
        len(pids), sum(map(_pss, pids)), sum(map(_cpu, pids)), sum(map(_descriptors, pids))
    )


def cpu_seconds(roots: Iterable[int]) -> float:
    """Give the tree's CPU time, which is quicker to find than all the rest."""
    return sum(map(_cpu, tree(roots)))


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """Give the fields from the process's state on; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _cpu(pid: int) -> float:
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15]) / _TICKS


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _descriptors(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0
