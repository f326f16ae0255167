"""The configuration of Redis, livekit-server and livekit-sip on one machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any

import yaml

from sandbox.ports import Ports
from sandbox.secrets_kept import Secrets


def redis(ports: Ports, folder: str) -> str:
    """Render redis.conf: nothing is kept, for nothing in Redis may be worth keeping."""
    return "\n".join(
        [
            "bind 127.0.0.1",
            f"port {ports['redis']}",
            f"dir {folder}",
            'save ""',
            "appendonly no",
            "daemonize no",
            # A title would be written over the environment, in which the sandbox's mark is.
            "set-proc-title no",
            "",
        ]
    )


def livekit_server(ports: Ports, kept: Secrets, webhook_url: str | None) -> str:
    """Render livekit-server's configuration."""
    first, last = ports.media
    config: dict[str, Any] = {
        "port": ports["livekit"],
        "bind_addresses": ["127.0.0.1"],
        "rtc": {
            "tcp_port": ports["livekit-tcp"],
            "port_range_start": first,
            "port_range_end": last,
            "use_external_ip": False,
            "node_ip": "127.0.0.1",
            "interfaces": {"includes": ["lo"]},
            "enable_loopback_candidate": True,
        },
        "redis": {"address": ports.reach("redis")},
        "keys": {kept.livekit_key: kept.livekit_secret},
        # Rooms are made by the dialer only; joining must never make one.
        "room": {"auto_create": False},
        "logging": {"level": "info", "json": True},
    }
    if webhook_url:
        config["webhook"] = {"api_key": kept.livekit_key, "urls": [webhook_url]}
    return yaml.safe_dump(config, sort_keys=False)


def livekit_sip(
    ports: Ports, kept: Secrets, listen_ip: str, settings: Mapping[str, Any] | None = None
) -> str:
    """Render livekit-sip's configuration, with settings on top; media timeouts are its defaults."""
    first, last = ports.sip_rtp
    config: dict[str, Any] = {
        "api_key": kept.livekit_key,
        "api_secret": kept.livekit_secret,
        "ws_url": f"ws://{ports.reach('livekit')}",
        "redis": {"address": ports.reach("redis")},
        "sip_port": ports["sip"],
        "sip_port_listen": ports["sip"],
        "rtp_port": f"{first}-{last}",
        "listen_ip": listen_ip,
        "local_net": str(ipaddress.ip_network(f"{listen_ip}/8", strict=False)),
        "nat_1_to_1_ip": listen_ip,
        "use_external_ip": False,
        "health_port": ports["sip-health"],
        "prometheus_port": ports["sip-metrics"],
        # Else dials are refused when the machine is busy: here it also plays the whole network.
        "max_cpu_utilization": 1.0,
        "logging": {"level": "info", "json": True},
        **(settings or {}),
    }
    return yaml.safe_dump(config, sort_keys=False)


def ip_towards(address: str) -> str:
    """Give this machine's address on the way to a host, so that the bridge listens where it must.

    Errors: OSError when the host is unknown or there is no way to it.
    """
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, int(port)))
        return str(probe.getsockname()[0])
