"""The machine-readable description of a running sandbox, for scripts and tests."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from sandbox.atomic import write_private
from sandbox.processes import Plan

VERSION = 1


class Description:
    """Keeps sandbox.json true."""

    def __init__(self, plan: Plan) -> None:
        self._path = plan.folders.description
        self.content: dict[str, Any] = _of(plan)

    def write(self, processes: Mapping[str, int]) -> None:
        """Replace the file in one step."""
        self.content["processes"] = dict(processes)
        write_private(self._path, json.dumps(self.content, indent=2) + "\n")


def _tls_addresses(plan: Plan) -> list[str]:
    if plan.options.tls is None:
        return []
    bridges = {"livekit-sip": "sip-tls", "livekit-sip-2": "sip-tls-2"}
    return [
        f"{plan.sip_ip}:{plan.ports[port]}" for name, port in bridges.items() if plan.runs(name)
    ]


def _of(plan: Plan) -> dict[str, Any]:
    own_carrier = plan.runs("carrier")
    address, username, password = plan.trunk
    if own_carrier and "carrier" in plan.options.via:
        address = plan.ports.address("carrier")
    return {
        "version": VERSION,
        "pid": os.getpid(),
        "api_url": plan.api_url,
        "api_urls": [plan.api_of(name) for name in ("api", "api-2") if plan.runs(name)],
        "api_key": plan.kept.api_key or None,
        "console_url": None,
        "docs_url": f"{plan.api_url}/docs",
        "livekit_url": plan.livekit_url,
        "livekit_api_key": plan.kept.livekit_key,
        "livekit_api_secret": plan.kept.livekit_secret,
        "fallback_livekit_url": plan.livekit_of("livekit-server-fallback")
        if plan.options.fallback
        else None,
        "sip_address": f"{plan.sip_ip}:{plan.ports['sip']}",
        "sip_tls_addresses": _tls_addresses(plan),
        "certificates_dir": str(plan.folders.certificates) if plan.options.tls else None,
        "redis_url": plan.redis_url,
        "database_url": plan.database_url,
        "carrier_address": address,
        "carrier_username": username,
        "carrier_password": password,
        "carrier_control_url": plan.carrier_control_url if own_carrier else None,
        "speech_url": plan.speech_url if plan.runs("speech") else None,
        "logs_dir": str(plan.folders.logs),
        "recordings_dir": str(plan.folders.recordings),
        "processes": {},
    }
