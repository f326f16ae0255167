"""compose.yaml, as Compose's own parser reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.compose_file import NotValid, example, server

ONCE = {"prepare", "cli"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return server(tmp_path_factory.mktemp("compose") / "gateway").project()


@pytest.fixture(scope="module")
def lasting(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: found for name, found in project["services"].items() if name not in ONCE}


def test_the_example_makes_a_whole_project(project: dict[str, Any]) -> None:
    assert set(project["services"]) == {
        "redis",
        "postgres",
        "livekit-server",
        "livekit-sip",
        "prepare",
        "api",
        "worker-1",
        "worker-2",
        "worker-3",
        "worker-4",
        "cli",
        "caddy",
        "prometheus",
        "grafana",
    }


def test_what_is_started_without_a_profile_is_what_a_call_needs(project: dict[str, Any]) -> None:
    profiled = {name for name, found in project["services"].items() if found.get("profiles")}
    assert profiled == {"worker-3", "worker-4", "cli"}


def test_every_service_that_lasts_is_looked_after(lasting: dict[str, dict[str, Any]]) -> None:
    for name, service in lasting.items():
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name
        assert service["stop_grace_period"], name
        limits = service["deploy"]["resources"]["limits"]
        assert limits["cpus"] and limits["memory"] and limits["pids"], name


def test_every_service_is_held_in_bounds(project: dict[str, Any]) -> None:
    for name, service in project["services"].items():
        assert service["logging"]["options"] == {"max-size": "50m", "max-file": "5"}, name
        assert service["network_mode"] == "host", name
        # What Docker publishes goes around the firewall.
        assert not service.get("ports"), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        # Postgres alone writes into its own file system: its locks beside its socket.
        assert service.get("read_only", False) or name == "postgres", name


def test_talks_are_given_the_time_to_end(lasting: dict[str, dict[str, Any]]) -> None:
    drain = int(example()["DRAIN_TIMEOUT_SECONDS"])
    talking = ["livekit-sip", *(name for name in lasting if name.startswith("worker-"))]
    for name in talking:
        assert seconds(lasting[name]["stop_grace_period"]) > drain, name
    # What they need is stopped after them.
    for name in talking:
        assert "livekit-server" in lasting[name]["depends_on"]
    assert {"livekit-sip", "api"} <= set(lasting["worker-1"]["depends_on"])


def test_the_workers_are_alike_but_for_their_names(lasting: dict[str, dict[str, Any]]) -> None:
    workers = [found for name, found in lasting.items() if name.startswith("worker-")]
    assert len({found["environment"]["WORKER_ID"] for found in workers}) == 4
    assert len({found["environment"]["WORKER_HTTP_PORT"] for found in workers}) == 4
    told = lasting["livekit-sip"]["environment"]
    assert int(told["WORKERS"]) == len(workers)
    assert told["WORKER_CAPACITY"] == workers[0]["environment"]["WORKER_CAPACITY"]


def test_a_worker_has_a_token_made(project: dict[str, Any]) -> None:
    made = project["services"]["prepare"]["environment"]["WORKER_IDS"].split()
    assert made == sorted(name for name in project["services"] if name.startswith("worker-"))


def test_a_worker_knows_neither_database_nor_the_dialers_secret(project: dict[str, Any]) -> None:
    given = {secret["source"] for secret in project["services"]["worker-1"]["secrets"]}
    assert given == {"livekit_api_secret", "openai_api_key"}


def test_no_service_is_given_a_secret_that_is_not_a_file(project: dict[str, Any]) -> None:
    for name, secret in project["secrets"].items():
        assert Path(secret["file"]).name == name
        assert Path(secret["file"]).is_file()


def test_secrets_are_long_and_differ_and_stay(tmp_path: Path) -> None:
    first = server(tmp_path / "first")
    made = {path.name: path.read_text() for path in first.secrets.iterdir()}
    random = [value for value in made.values() if value]
    assert len(random) == len(set(random)) == 7
    assert all(len(value) == 48 for value in random)
    assert first.secrets.stat().st_mode & 0o777 == 0o700

    first.fill_in("openai_api_key", "sk-1")
    again = server(tmp_path / "again")
    assert again.secret("token_secret") != made["token_secret"]


@pytest.mark.parametrize("name", ["API_DOMAIN", "LIVEKIT_DOMAIN", "CERTIFICATES"])
def test_a_name_that_is_missing_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotValid, match=rf"set {name} in \.env"):
        server(tmp_path / "gateway", **{name: ""}).project()


def seconds(told: str) -> float:
    """Read a duration as the parser writes it: 4h15m0s."""
    total, number = 0.0, ""
    for letter in told:
        if letter in "hms":
            total += float(number) * {"h": 3600, "m": 60, "s": 1}[letter]
            number = ""
        else:
            number += letter
    return total
