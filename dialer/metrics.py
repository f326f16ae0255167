"""The metrics: every name, every label and its closed list of values in one place.

``docs/operations.md`` lists them, and a test fails when it does not. Labels never hold numbers,
people's names or ids; a trunk's name is a word of whoever runs the gateway. What the database or
the presence of workers knows is read when asked for, so that it is true for all processes together;
what happens in a process is counted in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from telephony.events import OverflowWhy
from telephony.worker_contract import InboundRefused

REGISTRY = CollectorRegistry()

CALLS_PLACED = Counter(
    "telephony_calls_placed",
    "Calls taken by this process, replayed answers not counted.",
    ["call_type"],
    registry=REGISTRY,
)
PROBLEMS_ANSWERED = Counter(
    "telephony_problems",
    "Requests that this process answered with a problem, by its code.",
    ["code"],
    registry=REGISTRY,
)
REQUESTS = Counter(
    "telephony_http_requests",
    "Requests answered by this process.",
    ["route", "method", "status"],
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "telephony_http_request_seconds",
    "Time to the first byte of the answer.",
    ["route", "method"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12),
    registry=REGISTRY,
)
TRUNK_SLOWDOWNS = Counter(
    "telephony_trunk_slowdowns",
    "Calls that the carrier refused because they came too fast or were too many.",
    registry=REGISTRY,
)
TRUNK_REFUSALS = Counter(
    "telephony_trunk_refusals",
    "Calls that a trunk refused before the callee's network and that went to another trunk.",
    ["trunk", "why"],
    registry=REGISTRY,
)
INBOUND_OFFERS = Counter(
    "telephony_inbound_offers",
    "Calls to our own numbers that workers offered to this process: taken, or why not.",
    ["result"],
    registry=REGISTRY,
)
#: A worker that is told "taken" got nothing: of offers the word is for those that got the call.
OFFERED: Final[dict[InboundRefused | None, str]] = {
    None: "taken",
    **{refused: refused.value for refused in InboundRefused},
    InboundRefused.TAKEN: "had_by_another",
}
for _result in OFFERED.values():
    # There from the start: a counter that appears at 1 was never seen to grow.
    INBOUND_OFFERS.labels(result=_result)
INBOUND_WITHOUT_AGENT = Counter(
    "telephony_inbound_without_agent",
    "Callers for whom there was no agent, whom this process took: how they went on, and why.",
    ["how", "why"],
    registry=REGISTRY,
)
for _how in ("overflow", "apology"):
    for _why in OverflowWhy:
        INBOUND_WITHOUT_AGENT.labels(how=_how, why=_why.value)
INBOUND_WEBHOOKS = Counter(
    "telephony_inbound_webhooks",
    "Questions of this process to the webhooks of numbers, by what came of them.",
    ["result"],
    registry=REGISTRY,
)
LIVEKIT_WEBHOOKS = Counter(
    "telephony_livekit_webhooks",
    "Webhooks of LiveKit's that were taken, or ignored because they are about no call of ours.",
    ["result"],
    registry=REGISTRY,
)
LIVEKIT_UP = Gauge(
    "telephony_livekit_up",
    "Where there is a fallback: 1 while this process takes a LiveKit (own, fallback) for up.",
    ["livekit"],
    registry=REGISTRY,
)
LIVEKIT_IN_USE = Gauge(
    "telephony_livekit_in_use",
    "Where there is a fallback: 1 for the LiveKit that new calls of this process go to.",
    ["livekit"],
    registry=REGISTRY,
)
DATABASE_UP = Gauge(
    "telephony_database_up", "1 when the database answered this scrape, else 0.", registry=REGISTRY
)

#: Read at each scrape: name -> (help, labels).
SCRAPED: dict[str, tuple[str, tuple[str, ...]]] = {
    "telephony_calls": ("Calls that are not over, by status.", ("status",)),
    "telephony_calls_ended_total": ("Calls that are over.", ("outcome", "ended_reason")),
    "telephony_call_oldest_queued_seconds": ("Age of the oldest call that waits.", ()),
    "telephony_workers": ("Workers that reported in the last seconds.", ("state",)),
    "telephony_worker_capacity_calls": ("Calls that workers can hold together.", ()),
    "telephony_worker_live_calls": ("Calls that workers hold now.", ()),
    "telephony_trunk_calls": ("Calls that a trunk carries now.", ("trunk",)),
    "telephony_trunk_slots": ("Calls that a trunk may carry, where that is limited.", ("trunk",)),
    "telephony_trunk_answer_seizure_ratio": (
        "Share of a trunk's calls of the last 15 minutes that were answered.",
        ("trunk",),
    ),
    "telephony_trunk_average_call_seconds": (
        "How long its answered calls of the last 15 minutes lasted.",
        ("trunk",),
    ),
    "telephony_trunk_short_call_share": (
        "Share of its answered calls of the last 15 minutes that lasted 12 seconds at most.",
        ("trunk",),
    ),
    "telephony_trunk_failures_in_a_row": (
        "Calls that failed by the trunk's fault since one last reached a callee.",
        ("trunk",),
    ),
    "telephony_trunk_left_alone": (
        "1 while so many failed in a row that other trunks are taken before it.",
        ("trunk",),
    ),
}

Values = Iterable[tuple[tuple[str, ...], float]]


def scraped(name: str, values: Values) -> Metric:
    """Build one of SCRAPED from what was read."""
    text, labels = SCRAPED[name]
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    family = kind(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(list(label_values), value)
    return family


def documented_names() -> list[str]:
    """List every metric as Prometheus shows it."""
    counted = {f"{m.name}_total" if m.type == "counter" else m.name for m in REGISTRY.collect()}
    return sorted(counted | set(SCRAPED))
