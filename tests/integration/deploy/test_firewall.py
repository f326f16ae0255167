"""The firewall example, loaded into a kernel and asked with packets.

In the carrier's place stand addresses that are kept for documentation; Twilio's own are compared.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.compose_file import COMPOSE, PROJECT, example
from tests.kit.firewall_lab import Probe

SIGNALLING, MEDIA, STRANGER = "192.0.2.10", "192.0.2.200", "198.51.100.10"
ENVIRONMENT = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def udp(source: str, port: int, source_port: int = 20_000) -> Probe:
    return Probe("udp", source, source_port, port)


def tcp(source: str, port: int, source_port: int = 20_000) -> Probe:
    return Probe("tcp", source, source_port, port)


ADMITTED = [
    udp(SIGNALLING, 5060, 5060),
    tcp(SIGNALLING, 5060),
    tcp(SIGNALLING, 5061, 20_001),
    udp(MEDIA, 10_000, 10_000),
    udp(MEDIA, 15_000, 60_000),
    udp(MEDIA, 20_000, 20_002),
    udp(STRANGER, 7882),
    udp(STRANGER, 443, 20_001),
    tcp(STRANGER, 7881, 20_002),
    tcp(STRANGER, 443, 20_003),
    tcp(STRANGER, 80, 20_004),
    tcp(STRANGER, 22, 20_005),
]
DROPPED = [
    udp(STRANGER, 5060, 5060),
    tcp(STRANGER, 5060, 20_006),
    tcp(STRANGER, 5061, 20_007),
    udp(MEDIA, 5060, 20_003),
    tcp(MEDIA, 5061, 20_008),
    udp(STRANGER, 15_000, 20_009),
    udp(SIGNALLING, 15_000, 20_010),
    udp(MEDIA, 15_000, 9_999),
    udp(MEDIA, 9_999, 20_011),
    udp(MEDIA, 20_001, 20_012),
    # What listens on 127.0.0.1 anyway, and the two of the bridge that do not.
    *(
        tcp(STRANGER, int(example()[name]), 20_100 + number)
        for number, name in enumerate(
            (
                "LIVEKIT_PORT",
                "LIVEKIT_METRICS_PORT",
                "SIP_HEALTH_PORT",
                "SIP_METRICS_PORT",
                "API_PORT",
                "WORKER_1_PORT",
                "REDIS_PORT",
                "POSTGRES_PORT",
                "CADDY_ADMIN_PORT",
                "PROMETHEUS_PORT",
                "GRAFANA_PORT",
            )
        )
    ),
]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("etc") / "nftables"
    shutil.copytree(COMPOSE / "nftables", folder)
    (folder / "twilio.nft").write_text(
        f"define carrier_signalling = {{ {SIGNALLING}/30 }}\n"
        f"define carrier_media = {{ {MEDIA}/29 }}\n"
        "define carrier_media_ports = 10000-60000\n"
    )
    return folder / "nftables.conf"


@pytest.fixture(scope="module")
def arrived(rules: Path) -> dict[Probe, bool]:
    probes = [*ADMITTED, *DROPPED]
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-m", "tests.kit.firewall_lab", str(rules)],
        input=json.dumps(probes),
        env=ENVIRONMENT | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(probes, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("probe", ADMITTED, ids=str)
def test_who_has_to_come_in_comes_in(probe: Probe, arrived: dict[Probe, bool]) -> None:
    assert arrived[probe]


@pytest.mark.parametrize("probe", DROPPED, ids=str)
def test_nobody_else_does(probe: Probe, arrived: dict[Probe, bool]) -> None:
    assert not arrived[probe]


def test_the_example_is_taken_as_it_is_and_twice_from_wherever_a_system_starts() -> None:
    # In the place of /etc, where nft looks by itself, stands the folder that has this one.
    nft = f"nft -I {COMPOSE}"
    rules = COMPOSE / "nftables" / "nftables.conf"
    listing = f"{nft} --check -f {rules} && {nft} -f {rules} && {nft} -f {rules}"
    listing += " && nft list table inet gateway"
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-c", listing],
        env=ENVIRONMENT,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("policy drop") == 1
    for network in twilio():
        assert str(network) in done.stdout


def twilio() -> list[ipaddress.IPv4Network]:
    text = (COMPOSE / "nftables" / "twilio.nft").read_text(encoding="utf-8")
    return [ipaddress.IPv4Network(found) for found in re.findall(r"\d+\.\d+\.\d+\.\d+/\d+", text)]


def test_twilios_addresses_are_eight_small_networks_and_one_for_media() -> None:
    *signalling, media = twilio()
    assert [network.prefixlen for network in signalling] == [30] * 8
    assert len(set(signalling)) == 8
    assert str(media) == "168.86.128.0/18"
    assert all(network.is_global for network in twilio())
