"""What deploy/compose says in one place, it says in all of them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dialer import metrics
from sandbox.servers_build import LIVEKIT_SERVER, LIVEKIT_SIP, pinned
from telephony.call import CallStatus, EndedReason, Outcome
from tests.kit.compose_file import COMPOSE, PROJECT, example

VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}")
METRIC = re.compile(r"\b((?:telephony|livekit)_[a-z_]+)\b")


def text(name: str) -> str:
    return (COMPOSE / name).read_text(encoding="utf-8")


def services() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(text("compose.yaml"))["services"]


def expressions() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load(text("prometheus/alerts.yml"))["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads(text("grafana/dashboards/gateway.json"))["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def test_each_variable_stands_in_the_example_with_the_default_of_the_file() -> None:
    found = {
        name: value for name, kind, value in VARIABLE.findall(text("compose.yaml")) if kind == "-"
    }
    told = example()
    assert {name: told.get(name) for name in found} == {
        # Where the file has no default, the example shows what a value looks like.
        name: value or told.get(name)
        for name, value in found.items()
    }


def test_the_example_names_nothing_that_the_file_does_not_read() -> None:
    read = {name for name, *_ in VARIABLE.findall(text("compose.yaml"))}
    assert set(example()) - read == {"COMPOSE_PROFILES"}


def test_a_variable_has_one_default() -> None:
    found: dict[str, set[str]] = {}
    for name, kind, value in VARIABLE.findall(text("compose.yaml")):
        if kind == "-":
            found.setdefault(name, set()).add(value)
    assert [name for name, values in found.items() if len(values) > 1] == []


def test_livekit_runs_in_the_versions_that_the_tests_build() -> None:
    told = example()
    assert told["LIVEKIT_SERVER_IMAGE"] == f"livekit/livekit-server:{pinned(LIVEKIT_SERVER)}"
    assert told["LIVEKIT_SIP_IMAGE"] == f"livekit/sip:{pinned(LIVEKIT_SIP)}"


@pytest.mark.parametrize("name", [name for name in example() if name.endswith("_IMAGE")])
def test_an_image_is_pinned_to_its_whole_version(name: str) -> None:
    image, _, tag = example()[name].partition(":")
    assert image
    if name != "GATEWAY_IMAGE":
        assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-[a-z]+)?", tag), tag


def test_no_secret_stands_in_the_file_or_in_an_environment() -> None:
    for name, service in services().items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|API_KEY$", variable):
                # A file with the secret, a folder of files, or the name under which a key is known.
                named = variable.endswith(("_FILE", "_DIR")) or variable == "LIVEKIT_API_KEY"
                assert named, f"{name}: {variable}={value}"
    secret = [name for name in example() if re.search(r"PASSWORD|SECRET|TOKEN", name)]
    assert secret == []


def test_the_secrets_of_the_file_are_those_that_are_made() -> None:
    wanted = set(yaml.safe_load(text("compose.yaml"))["secrets"])
    made = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text("make-secrets")))
    assert wanted <= made
    assert all(f"`{name}`" in text("README.md") for name in wanted)


def test_the_image_holds_every_package_of_the_product() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = set(project["tool"]["importlinter"]["root_packages"]) - {"sandbox", "bench"}
    let_in = {
        line[1:] for line in text("Dockerfile.dockerignore").splitlines() if line.startswith("!")
    }
    assert packages <= let_in
    assert all((PROJECT / name).exists() for name in let_in - {"trunks"})


def test_the_image_installs_by_hash_and_runs_as_nobody_special() -> None:
    lines = text("Dockerfile").splitlines()
    assert text("Dockerfile").count("--require-hashes") == 2
    assert "USER 10001:10001" in lines
    last_stage = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM")) :]
    assert not any("pip" in line for line in last_stage)
    assert all(
        re.fullmatch(r"FROM \S+:\d+\.\d+\.\d+\S*( AS \w+)?", line)
        for line in lines
        if line.startswith("FROM")
    )


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_each_metric_of_ours_in_alerts_and_dashboard_exists(where: str, expression: str) -> None:
    known = {*metrics.documented_names()}
    for name in METRIC.findall(expression):
        if name.startswith("telephony_"):
            base = re.sub(r"_(bucket|count|sum)$", "", name)
            assert name in known or base in known, f"{where}: {name}"


CLOSED_LISTS = {
    ("telephony_calls", "status"): {status.value for status in CallStatus},
    ("telephony_calls_ended_total", "outcome"): {outcome.value for outcome in Outcome},
    ("telephony_calls_ended_total", "ended_reason"): {reason.value for reason in EndedReason},
    ("telephony_workers", "state"): {"ready", "draining", "cut_off"},
    ("telephony_inbound_offers_total", "result"): {*metrics.OFFERED.values()},
}


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_a_label_that_is_asked_for_can_be(where: str, expression: str) -> None:
    for metric, selector in re.findall(r"(telephony_\w+)\{([^}]*)\}", expression):
        for label, values in re.findall(r'(\w+)[=!]~?"([^"]*)"', selector):
            if (metric, label) in CLOSED_LISTS:
                assert set(values.split("|")) <= CLOSED_LISTS[metric, label], where


def test_the_dashboard_asks_the_prometheus_that_is_provisioned() -> None:
    [source] = yaml.safe_load(text("grafana/provisioning/datasources/prometheus.yaml"))[
        "datasources"
    ]
    panels = json.loads(text("grafana/dashboards/gateway.json"))["panels"]
    asked = {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"}
    assert asked == {source["uid"]}
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))


def test_each_alert_is_tested_both_ways() -> None:
    alerts = {
        rule["alert"]
        for group in yaml.safe_load(text("prometheus/alerts.yml"))["groups"]
        for rule in group["rules"]
    }
    cases = [
        case
        for test in yaml.safe_load(text("prometheus/alerts_test.yml"))["tests"]
        for case in test["alert_rule_test"]
    ]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == alerts


def test_the_firewall_opens_the_ports_of_the_example() -> None:
    told, rules = example(), text("nftables/nftables.conf")
    assert f"define rtp_ports = {told['SIP_RTP_PORTS']}" in rules
    opened = set(re.findall(r"\d+", " ".join(re.findall(r"dport (\d+|\{[^}]*\})", rules))))
    assert opened == {
        "22",
        *(
            told[name]
            for name in (
                "HTTP_PORT",
                "HTTPS_PORT",
                "LIVEKIT_UDP_PORT",
                "LIVEKIT_TCP_PORT",
                "SIP_PORT",
                "SIP_TLS_PORT",
            )
        ),
    }


def test_what_firewall_md_keeps_closed_is_every_other_port() -> None:
    told = example()
    page = (COMPOSE / "firewall.md").read_text(encoding="utf-8")
    inside = [
        name
        for name in told
        if name.endswith("_PORT")
        and name
        not in {
            "HTTP_PORT",
            "HTTPS_PORT",
            "LIVEKIT_UDP_PORT",
            "LIVEKIT_TCP_PORT",
            "SIP_PORT",
            "SIP_TLS_PORT",
        }
    ]
    closed = page[page.index("Closed, and reached") : page.index("Out to the world")]
    numbers: set[int] = set()
    for first, last in re.findall(r"\b(\d{4})(?:-(\d{4}))?\b", closed):
        numbers |= set(range(int(first), int(last or first) + 1))
    assert {int(told[name]) for name in inside} == numbers


def test_nothing_of_an_operator_is_committed() -> None:
    ignored = text(".gitignore").split()
    assert {"/.env", "/secrets/", "/config/", "/backups/"} <= set(ignored)


def pages() -> list[Path]:
    return sorted(COMPOSE.glob("*.md"))


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_script_that_is_named_is_there(page: Path) -> None:
    named = re.findall(r"(?<!\.)\./([a-z][a-z-]+)\b", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (COMPOSE / name).exists()] == []
