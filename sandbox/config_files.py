"""The configuration of Redis, livekit-server and livekit-sip on one machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from sandbox.certificates import Identity
from sandbox.ports import Ports


@dataclass(frozen=True, slots=True)
class Which:
    """Which one of two it is, and whether there are two: they share a range of ports by halves.

    Shape: ``suffix`` is what the second one's names end with; ``redis`` names the Redis of the
    first or its own, ``key`` and ``secret`` are those of its LiveKit.
    """

    suffix: str
    shared: bool
    redis: str
    key: str
    secret: str

    def share(self, ports: tuple[int, int]) -> tuple[int, int]:
        """Give its part of a range."""
        first, last = ports
        middle = (first + last + 1) // 2
        if not self.shared:
            return ports
        return (middle, last) if self.suffix else (first, middle - 1)


def redis(port: int, folder: str) -> str:
    """Render redis.conf: nothing is kept, for nothing in Redis may be worth keeping."""
    return "\n".join(
        [
            "bind 127.0.0.1",
            f"port {port}",
            f"dir {folder}",
            'save ""',
            "appendonly no",
            "daemonize no",
            # A title would be written over the environment, in which the sandbox's mark is.
            "set-proc-title no",
            "",
        ]
    )


def livekit_server(ports: Ports, webhook_url: str | None, which: Which) -> str:
    """Render livekit-server's configuration."""
    first, last = which.share(ports.media)
    config: dict[str, Any] = {
        "port": ports[f"livekit{which.suffix}"],
        "bind_addresses": ["127.0.0.1"],
        "rtc": {
            "tcp_port": ports[f"livekit-tcp{which.suffix}"],
            "port_range_start": first,
            "port_range_end": last,
            "use_external_ip": False,
            "node_ip": "127.0.0.1",
            "interfaces": {"includes": ["lo"]},
            "enable_loopback_candidate": True,
        },
        "redis": {"address": ports.reach(which.redis)},
        "keys": {which.key: which.secret},
        # livekit-sip's own token cannot make a room, so a caller's is made by joining it; who may
        # join is the tokens' business all the same (docs/decisions/0010).
        "room": {"auto_create": True, "empty_timeout": 30, "departure_timeout": 10},
        "logging": {"level": "info", "json": True},
    }
    if webhook_url:
        config["webhook"] = {"api_key": which.key, "urls": [webhook_url]}
    return yaml.safe_dump(config, sort_keys=False)


def livekit_sip(
    ports: Ports,
    listen_ip: str,
    which: Which,
    settings: Mapping[str, Any] | None = None,
    identity: Identity | None = None,
) -> str:
    """Render livekit-sip's configuration, with settings on top; media timeouts are its defaults."""
    first, last = which.share(ports.sip_rtp)
    port = ports[f"sip{which.suffix}"]
    config: dict[str, Any] = {
        "api_key": which.key,
        "api_secret": which.secret,
        "ws_url": f"ws://{ports.reach(f'livekit{which.suffix}')}",
        "redis": {"address": ports.reach(which.redis)},
        "sip_port": port,
        "sip_port_listen": port,
        "rtp_port": f"{first}-{last}",
        "listen_ip": listen_ip,
        "local_net": str(ipaddress.ip_network(f"{listen_ip}/8", strict=False)),
        "nat_1_to_1_ip": listen_ip,
        "use_external_ip": False,
        "health_port": ports[f"sip-health{which.suffix}"],
        "prometheus_port": ports[f"sip-metrics{which.suffix}"],
        # Else dials are refused when the machine is busy: here it also plays the whole network.
        "max_cpu_utilization": 1.0,
        "logging": {"level": "info", "json": True},
        **(_tls(ports[f"sip-tls{which.suffix}"], identity) if identity else {}),
        **(settings or {}),
    }
    return yaml.safe_dump(config, sort_keys=False)


def _tls(port: int, identity: Identity) -> dict[str, Any]:
    files = {"cert_file": str(identity.certificate), "key_file": str(identity.key)}
    return {"tls": {"port": port, "port_listen": port, "certs": [files]}}


def ip_towards(address: str) -> str:
    """Give this machine's address on the way to a host, so that the bridge listens where it must.

    Errors: OSError when the host is unknown or there is no way to it.
    """
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, int(port)))
        return str(probe.getsockname()[0])
