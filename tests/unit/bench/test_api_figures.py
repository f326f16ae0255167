"""What the table of POST /calls says of its rounds."""

from __future__ import annotations

from typing import Any

from bench import tables


def round_of(kind: str, per_second: float, most: float = 30.0) -> dict[str, Any]:
    return {
        "database": "SQLite",
        "kind": kind,
        "per_second": per_second,
        "p50_ms": most / 3,
        "p95_ms": most / 2,
        "most_ms": most,
        "within_100_ms": 1.0 if most <= 100 else 0.998,
        "cpu_share": 0.2,
    }


ROUNDS = [round_of("durable", 600), round_of("emptied", 2000), round_of("bare", 5000)]


def test_a_share_of_the_emptied_route_is_held_against_a_quarter() -> None:
    assert "0.30: 0.25 met" in tables.api(ROUNDS)
    assert "0.20: 0.25 **missed**" in tables.api([round_of("durable", 400), *ROUNDS[1:]])


def test_the_slowest_refusal_of_a_full_queue_is_held_against_its_bound() -> None:
    soon = tables.api([*ROUNDS, round_of("turned away", 1500, most=90.0)])
    late = tables.api([*ROUNDS, round_of("turned away", 1500, most=101.0)])
    assert "| SQLite | 1,500/s | 30 / 45 / 90 ms | 100.00% | 100 ms met |" in soon
    assert "| 99.80% | 100 ms **missed**" in late
    assert "0.30: 0.25 met" in soon, "the other table is still there"


def test_a_run_without_refusals_says_nothing_of_them() -> None:
    assert "429" not in tables.api(ROUNDS)
