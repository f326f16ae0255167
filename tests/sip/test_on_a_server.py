"""A server's road as deploy/compose lays it: passwords, Postgres and TLS, and a call along it.

Each service is what compose.yaml says of it; only the containers around them are missing.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
import yaml
from websockets.sync.client import connect

from sandbox import ports
from sandbox.servers_build import build_carrier
from tests.kit import postgres_of_compose
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.compose_file import COMPOSE, PROJECT, Server, server
from tests.kit.gateway import Gateway
from tests.kit.until import until_sync
from tests.kit.without_containers import Services

TRUNK_USER, TRUNK_PASSWORD = "gateway", "p@ss/w:o rd'\"$HOME"
BUSY, HANGS_UP = "+14155550102", "+14155550112"
BEGAN = datetime.min.replace(tzinfo=UTC)
#: Another road with all its servers: two minutes.
pytestmark = pytest.mark.slow
#: Where a trunk has a limit, and when one refused a call.
NOT_ALWAYS = {"telephony_trunk_slots", "telephony_trunk_refusals_total"}
METRIC = re.compile(r"\b((?:telephony|livekit)_[a-z_]+)\b")


@dataclass
class Road:
    """All that runs."""

    server: Server
    services: Services
    told: dict[str, str]
    carrier_control_url: str
    folder: Path

    def tls(self) -> ssl.SSLContext:
        """Trust Caddy's own authority and nobody else."""
        root = self.folder / "volumes/caddy-data/caddy/pki/authorities/local/root.crt"
        return ssl.create_default_context(cafile=str(root))

    def https(self, name: str, **headers: str) -> httpx.Client:
        """Make a client of a name that Caddy serves."""

        def named(request: httpx.Request) -> None:
            request.extensions["sni_hostname"] = name

        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.told['HTTPS_PORT']}",
            headers={"Host": name, **headers},
            verify=self.tls(),
            trust_env=False,
            timeout=30,
            event_hooks={"request": [named]},
        )


def chosen(block: ports.Ports, models_port: int) -> dict[str, str]:
    first, last = block.sip_rtp
    names = {
        "API_PORT": "api",
        "LIVEKIT_PORT": "livekit",
        "LIVEKIT_TCP_PORT": "livekit-tcp",
        "REDIS_PORT": "redis",
        "SIP_PORT": "sip",
        "SIP_HEALTH_PORT": "sip-health",
        "SIP_METRICS_PORT": "sip-metrics",
        "WORKER_1_PORT": "worker",
        "LIVEKIT_METRICS_PORT": "worker-2",
        "POSTGRES_PORT": "api-2",
        "HTTPS_PORT": "livekit-2",
        "HTTP_PORT": "livekit-tcp-2",
        "SIP_TLS_PORT": "sip-2",
        "CADDY_ADMIN_PORT": "sip-health-2",
        "PROMETHEUS_PORT": "sip-metrics-2",
    }
    return {
        **{variable: str(block[name]) for variable, name in names.items()},
        "LIVEKIT_UDP_PORT": str(block.media[0]),
        "SIP_RTP_PORTS": f"{first}-{last}",
        "API_DOMAIN": "localhost",
        "LIVEKIT_DOMAIN": "media.localhost",
        "SIP_TLS_DOMAIN": "sip.localhost",
        "CERTIFICATES": "internal",
        "PUBLIC_IP": "127.0.0.1",
        "SIP_TRUNK_ADDRESS": block.address("carrier"),
        "SIP_CALLER_IDS": "+14155550100",
        "SIP_TRUNK_USERNAME": TRUNK_USER,
        "SIP_TRUNK_CPS": "20",
        # Whatever else this machine does.
        "SIP_MAX_CPU_UTILIZATION": "1",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{models_port}/v1",
    }


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    folder = tmp_path_factory.mktemp("server")
    with ExitStack() as stack:
        block = ports.claim(None)
        stack.callback(block.release)
        told = chosen(block, block["speech"])
        made = server(folder / "gateway", **told)
        made.fill_in("sip_trunk_password", TRUNK_PASSWORD)
        made.fill_in("openai_api_key", "key-of-the-tests")
        services = Services(made.project(), folder)
        stack.callback(services.stop)
        for command in world(block, folder):
            stack.enter_context(background(command, folder))
        services.start("redis")
        database = services["postgres"]
        stack.enter_context(postgres_of_compose.running(database, folder / "postgres"))
        # The bridge starts when its certificate is there.
        for name in ("caddy", "livekit-server", "livekit-sip"):
            services.start(name)
        services.run("prepare")
        for name in ("api", "worker-1", "prometheus"):
            services.start(name)
        yield Road(made, services, told, f"http://{block.address('carrier-control')}", folder)


def world(block: ports.Ports, folder: Path) -> Iterator[list[str]]:
    """Give what is not ours on a server: the carrier with its phones, the models."""
    first, last = block.carrier_rtp
    yield [
        str(build_carrier()),
        f"-sip={block.address('carrier')}",
        f"-control={block.address('carrier-control')}",
        f"-username={TRUNK_USER}",
        f"-password={TRUNK_PASSWORD}",
        f"-dir={folder / 'carrier'}",
        f"-rtp={first}-{last}",
    ]
    yield [sys.executable, "-m", "bench.models", "--port", str(block["speech"])]


@contextmanager
def background(command: list[str], folder: Path) -> Generator[None]:
    """Run a process until the block ends."""
    with (folder / "world.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=PROJECT)
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="module")
def key(road: Road) -> str:
    told = road.services.run("cli", "keys", "create", "--name", "backend")
    return told.split()[-1]


@pytest.fixture(scope="module")
def backend(road: Road, key: str) -> Iterator[Gateway]:
    """Use the API as a backend on the other side of Caddy does."""
    with road.https("localhost", Authorization=f"Bearer {key}") as client:
        gateway = Gateway("http://unused", key)
        gateway.http.close()
        gateway.http = client
        until_sync(lambda: client.get("/readyz").status_code == 200, 30, what="calls can be placed")
        yield gateway


@pytest.fixture(scope="module")
def ended(backend: Gateway) -> dict[str, dict[str, Any]]:
    """Give the records of two calls: one that was answered and one that was not."""
    placed = {number: backend.place(number) for number in (HANGS_UP, BUSY)}
    return {number: backend.until_ended(call["id"]) for number, call in placed.items()}


def test_a_call_goes_the_whole_road(ended: dict[str, dict[str, Any]], road: Road) -> None:
    answered, busy = ended[HANGS_UP], ended[BUSY]
    assert (answered["outcome"], answered["ended_reason"]) == ("completed", "callee_hangup")
    assert (busy["outcome"], busy["sip"]["status_code"]) == ("busy", 486)
    ledger = CarrierLedger(road.carrier_control_url)
    try:
        for number in (HANGS_UP, BUSY):
            assert ledger.only_call(number, since=BEGAN).invites == 1
    finally:
        ledger.close()


def test_livekits_webhooks_arrive(ended: dict[str, dict[str, Any]], backend: Gateway) -> None:
    events = backend.events(ended[HANGS_UP]["id"])
    assert "livekit" in {event["source"] for event in events}


def test_a_browser_reaches_livekit_through_tls(backend: Gateway, road: Road) -> None:
    placed = backend.http.post("/calls", json={"call_type": "voip"})
    assert placed.status_code == 202, placed.text
    voip = placed.json()
    assert voip["livekit_url"] == "wss://media.localhost"
    with connect(
        f"wss://media.localhost/rtc?access_token={voip['participant_token']}&protocol=16",
        sock=socket.create_connection(("127.0.0.1", int(road.told["HTTPS_PORT"]))),
        ssl=road.tls(),
        server_hostname="media.localhost",
    ) as signalling:
        assert signalling.recv(timeout=20), "LiveKit answers with what it knows of the room"
    backend.hang_up(placed.json()["id"])
    backend.until_ended(placed.json()["id"])


def test_nobody_comes_in_without_the_authoritys_certificate(road: Road) -> None:
    context = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", int(road.told["HTTPS_PORT"]))) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_the_bridge_speaks_tls_with_the_certificate_that_caddy_has(road: Road) -> None:
    with (
        socket.create_connection(("127.0.0.1", int(road.told["SIP_TLS_PORT"]))) as plain,
        road.tls().wrap_socket(plain, server_hostname="sip.localhost") as secure,
    ):
        secure.sendall(
            b"OPTIONS sip:sip.localhost SIP/2.0\r\n"
            b"Via: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bK-1;rport\r\n"
            b"From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:sip.localhost>\r\n"
            b"Call-ID: options\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        secure.settimeout(20)
        assert secure.recv(2048).startswith(b"SIP/2.0 ")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metrics"),
        ("POST", "/webhooks/livekit"),
        ("PUT", "/internal/workers/worker-1"),
        ("POST", "/internal/attempts/att_1/permit"),
    ],
)
def test_what_is_for_the_inside_is_not_there_from_outside(
    method: str, path: str, road: Road, backend: Gateway
) -> None:
    answer = backend.http.request(method, path)
    assert (answer.status_code, answer.content) == (404, b"")
    inside = httpx.request(method, f"http://127.0.0.1:{road.told['API_PORT']}{path}")
    assert inside.status_code in {401, 403, 415, 422}


def test_redis_wants_its_password_and_keeps_what_it_was_told(road: Road) -> None:
    port = int(road.told["REDIS_PORT"])
    stranger: Any = redis.Redis(port=port)
    with pytest.raises(redis.AuthenticationError):
        stranger.ping()
    stranger.close()
    known: Any = redis.Redis(port=port, password=road.server.secret("redis_password"))
    assert known.config_get("appendonly") == {"appendonly": "yes"}
    assert known.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert known.info("persistence")["aof_enabled"] == 1
    known.close()


def test_postgres_wants_its_password_on_loopback_too(road: Road) -> None:
    url = f"postgresql://telephony{{}}@127.0.0.1:{road.told['POSTGRES_PORT']}/telephony"
    for password in ("", ":wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url.format(password))
    password = road.server.secret("postgres_password")
    with psycopg.connect(url.format(f":{password}")) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)


def test_only_what_is_for_others_listens_to_others(road: Road) -> None:
    """The bridge's health and metrics are left to the firewall, as firewall.md says."""
    outside = {road.told[name] for name in ("HTTP_PORT", "HTTPS_PORT", "LIVEKIT_TCP_PORT")} | {
        road.told["SIP_HEALTH_PORT"],
        road.told["SIP_METRICS_PORT"],
    }
    listening = {port for address, port in listeners() if not address.startswith(("127.", "[::1]"))}
    ours = {value for name, value in road.told.items() if name.endswith("_PORT")}
    assert listening & ours == outside


def listeners() -> Iterator[tuple[str, str]]:
    told = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    for line in told.splitlines():
        address, _, port = line.split()[3].rpartition(":")
        yield address, port


def prometheus(road: Road, path: str, **query: str) -> Any:
    url = f"http://127.0.0.1:{road.told['PROMETHEUS_PORT']}/api/v1/{path}"
    return httpx.get(url, params=query, timeout=20).json()["data"]


def test_prometheus_sees_every_part_and_every_metric_that_is_asked_for(
    road: Road, ended: dict[str, dict[str, Any]], backend: Gateway
) -> None:
    assert ended
    backend.http.post("/calls", json={"phone_number": "not a number"})

    def all_up() -> bool:
        targets = prometheus(road, "targets", state="active")["activeTargets"]
        return len(targets) == 5 and all(target["health"] == "up" for target in targets)

    until_sync(all_up, 60, every=0.5, what="Prometheus reaches all five")

    def missing() -> set[str]:
        return asked() - NOT_ALWAYS - set(prometheus(road, "label/__name__/values"))

    # A slowdown takes a carrier that complains; its counter is there from the start all the same.
    until_sync(lambda: not missing(), 60, every=0.5, what="each metric was scraped")


def asked() -> set[str]:
    rules = yaml.safe_load((COMPOSE / "prometheus/alerts.yml").read_text())
    told = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((COMPOSE / "grafana/dashboards/gateway.json").read_text())
    told += [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", [])]
    return {name for expression in told for name in METRIC.findall(expression)}


def test_every_health_check_says_healthy(road: Road) -> None:
    for service in road.services.running:
        assert service.healthy(), service.name


def test_no_secret_is_in_a_log_or_in_what_docker_would_show(
    road: Road, ended: dict[str, dict[str, Any]]
) -> None:
    assert ended
    shown = json.dumps(road.services.project)
    logs = {path.name: path.read_text(errors="replace") for path in road.folder.glob("*.log")}
    for path in road.server.secrets.iterdir():
        secret = path.read_text().strip()
        if secret:
            assert secret not in shown, path.name
            assert [name for name, text in logs.items() if secret in text] == [], path.name


def test_doctor_of_the_command_line_finds_all_well(road: Road, backend: Gateway) -> None:
    assert backend
    assert "trunk" in road.services.run("cli", "doctor").lower()


def test_every_part_stops_when_it_is_told_to(
    road: Road, ended: dict[str, dict[str, Any]], backend: Gateway
) -> None:
    """Last in this file, as nothing runs after it."""
    assert ended
    assert backend
    road.services.stop()
    stopped = {service.name: service.process for service in road.services.running}
    ends = {name: process.returncode for name, process in stopped.items() if process}
    # The API's server ends in order and then by the signal itself, as it was asked to.
    assert ends == dict.fromkeys(ends, 0) | {"api": -signal.SIGTERM}
