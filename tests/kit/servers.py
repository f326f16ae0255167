"""Real servers for tests: Redis and livekit-server on free loopback ports.

The sandbox starts the whole; these start just what a contract or an adapter needs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from sandbox.servers_build import LIVEKIT_SERVER, LIVEKIT_SIP, find
from tests.kit.until import until_sync

LIVEKIT_KEY = "testkey"
LIVEKIT_SECRET = "a-secret-of-the-tests-with-32-characters"


#: Given before, and perhaps not listened on yet.
_given: set[int] = set()


def free_port() -> int:
    """Find a TCP port that nobody listens on, and that nobody else of this run was given."""
    # Processes that run tests at once start their servers at once: each has ports of its own.
    sharing = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    share = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        # Two neighbours go together: the kernel gives even and odd ones for different uses.
        if port // 2 % sharing == share and port not in _given:
            _given.add(port)
            return port


def binary(name: str) -> str:
    """Find a system's server on PATH."""
    found = shutil.which(name)
    assert found is not None, f"{name} is not installed; `make setup` installs it"
    return found


@dataclass
class Server:
    """A process of ours."""

    command: list[str]
    log: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 20.0) -> None:
        """Start it and wait until it listens."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, start_new_session=True
            )
        until_sync(self._listens, timeout, what=f"{self.command[0]} listens; see {self.log}")

    def _listens(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log.read_text()[
            -2000:
        ]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
            return True
        return False

    def stop(self, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """Stop it and wait for its end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(with_signal)
            self.process.wait(10)


def redis_server(folder: Path) -> Server:
    """Describe a Redis that keeps nothing on disk."""
    port = free_port()
    command = [binary("redis-server"), "--bind", "127.0.0.1", "--port", str(port)]
    command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    return Server(command, folder / "redis.log", port)


def livekit_server(
    folder: Path, *, redis_port: int, webhook_url: str | None = None, auto_create: bool = False
) -> Server:
    """Describe a livekit-server that listens on loopback only."""
    port = free_port()
    config: dict[str, object] = {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "rtc": {
            "tcp_port": free_port(),
            "udp_port": free_port(),
            "use_external_ip": False,
            "node_ip": "127.0.0.1",
            "interfaces": {"includes": ["lo"]},
            "enable_loopback_candidate": True,
        },
        "redis": {"address": f"127.0.0.1:{redis_port}"},
        "keys": {LIVEKIT_KEY: LIVEKIT_SECRET},
        "room": {"auto_create": auto_create},
        "logging": {"level": "info"},
    }
    if webhook_url is not None:
        config["webhook"] = {"api_key": LIVEKIT_KEY, "urls": [webhook_url]}
    path = folder / "livekit.yaml"
    path.write_text(yaml.safe_dump(config))
    return Server([str(find(LIVEKIT_SERVER)), "--config", str(path)], folder / "livekit.log", port)


@dataclass
class Bridge:
    """A livekit-sip, and where it takes SIP and tells its metrics."""

    server: Server
    sip_port: int
    metrics_url: str


def livekit_sip(folder: Path, *, redis_port: int, livekit_port: int) -> Bridge:
    """Describe a livekit-sip that listens on loopback only."""
    sip, health, metrics, rtp = (free_port() for _ in range(4))
    config: dict[str, object] = {
        "api_key": LIVEKIT_KEY,
        "api_secret": LIVEKIT_SECRET,
        "ws_url": f"ws://127.0.0.1:{livekit_port}",
        "redis": {"address": f"127.0.0.1:{redis_port}"},
        "sip_port": sip,
        "sip_port_listen": sip,
        "rtp_port": f"{min(rtp, 65_000)}-{min(rtp, 65_000) + 100}",
        "listen_ip": "127.0.0.1",
        "local_net": "127.0.0.0/8",
        "nat_1_to_1_ip": "127.0.0.1",
        "use_external_ip": False,
        "health_port": health,
        "prometheus_port": metrics,
        "max_cpu_utilization": 1.0,
        "logging": {"level": "info"},
    }
    path = folder / "livekit-sip.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [str(find(LIVEKIT_SIP)), "--config", str(path)]
    server = Server(command, folder / "livekit-sip.log", health)
    return Bridge(server, sip, f"http://127.0.0.1:{metrics}/")


@dataclass
class MediaServers:
    """A Redis and the livekit-server on it."""

    redis: Server
    livekit: Server

    @property
    def redis_url(self) -> str:
        """Give the URL of Redis."""
        return f"redis://127.0.0.1:{self.redis.port}/0"

    @property
    def livekit_url(self) -> str:
        """Give the URL of LiveKit."""
        return f"ws://127.0.0.1:{self.livekit.port}"

    def stop(self) -> None:
        """Stop both."""
        self.livekit.stop()
        self.redis.stop()


def start_media_servers(folder: Path, *, webhook_url: str | None = None) -> MediaServers:
    """Start both; whoever asked stops them."""
    redis = redis_server(folder)
    servers = MediaServers(
        redis, livekit_server(folder, redis_port=redis.port, webhook_url=webhook_url)
    )
    try:
        servers.redis.start()
        servers.livekit.start()
    except BaseException:
        servers.stop()
        raise
    return servers


@contextmanager
def media_servers(folder: Path, *, webhook_url: str | None = None) -> Generator[MediaServers]:
    """Run both until the block ends."""
    servers = start_media_servers(folder, webhook_url=webhook_url)
    try:
        yield servers
    finally:
        servers.stop()
