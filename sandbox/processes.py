"""One spec for each process of the sandbox: its command, its environment, when it is ready."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sandbox import config_files, probes, servers_build
from sandbox.atomic import write_private
from sandbox.certificates import Authority
from sandbox.folders import PROJECT, Folders
from sandbox.options import FALLBACK, SECOND, Options
from sandbox.ports import Ports
from sandbox.secrets_kept import Secrets
from sandbox.settings import Settings, inherited
from sandbox.supervised import Spec

#: Numbers to call from; none of them is in the carrier's table.
CALLER_IDS = "+14155550190,+14155550191"
_CALLS_PER_SECOND = "20"
_FIRST_WORKER_READY = 180.0
_FALLBACK = "-fallback"


@dataclass(frozen=True)
class Plan:
    """All that is known before anything runs."""

    options: Options
    folders: Folders
    ports: Ports
    kept: Secrets
    settings: Settings

    @property
    def api_url(self) -> str:
        """Give the API's address."""
        return f"http://{self.ports.address('api')}"

    @property
    def livekit_url(self) -> str:
        """Give livekit-server's address."""
        return f"ws://{self.ports.address('livekit')}"

    @property
    def redis_url(self) -> str:
        """Give Redis's address."""
        return f"redis://{self.ports.address('redis')}/0"

    def reach(self, url: str, name: str) -> str:
        """Give the URL under which the other processes reach a part."""
        return url.replace(self.ports.address(name), self.ports.reach(name))

    @property
    def speech_url(self) -> str:
        """Give the base of the offline models."""
        return f"http://{self.ports.address('speech')}/v1"

    @property
    def carrier_control_url(self) -> str:
        """Give the simulated carrier's second ledger."""
        return f"http://{self.ports.address('carrier-control')}"

    @property
    def database_file(self) -> Path:
        """Give the SQLite file."""
        return self.folders.data / "telephony.db"

    @property
    def database_url(self) -> str:
        """Give the database's address."""
        return self.options.database_url or f"sqlite:///{self.database_file}"

    @property
    def trunk(self) -> tuple[str, str, str]:
        """Give address, user and password of the phone system that is called through."""
        if other := self.options.carrier:
            return other.address, other.username, other.password
        kept = self.kept
        address = self.ports.reach("carrier-tls" if self.options.tls else "carrier")
        return address, kept.carrier_username, kept.carrier_password

    @property
    def authority(self) -> Authority:
        """Give the authority that bridges and carrier trust, where SIP goes over TLS."""
        return Authority(self.folders.certificates)

    @property
    def sip_ip(self) -> str:
        """Give the address that the bridge listens on: loopback, but for a carrier elsewhere."""
        other = self.options.carrier
        return config_files.ip_towards(other.address) if other else "127.0.0.1"

    def runs(self, name: str) -> bool:
        """Tell whether a process is part of this run."""
        if name in FALLBACK:
            return self.options.fallback
        return name not in self.options.without and (self.options.twice or name not in SECOND)

    def which(self, name: str) -> config_files.Which:
        """Tell which one of two a process is."""
        kept, suffix = self.kept, _suffix(name)
        apart = suffix == _FALLBACK
        return config_files.Which(
            suffix,
            shared=self.options.twice or self.options.fallback,
            redis=f"redis{suffix}" if apart else "redis",
            key=kept.fallback_key if apart else kept.livekit_key,
            secret=kept.fallback_secret if apart else kept.livekit_secret,
        )

    def api_of(self, name: str) -> str:
        """Give the address of the API that is a process's own, or its neighbour."""
        half = "-2" if self.options.twice and name.endswith("-2") else ""
        return f"http://{self.ports.address(f'api{half}')}"

    def livekit_of(self, name: str) -> str:
        """Give the address of the livekit-server that a process uses."""
        suffix = _suffix(name)
        if suffix == "-2" and not self.options.twice:
            suffix = ""
        return f"ws://{self.ports.address(f'livekit{suffix}')}"


def _suffix(name: str) -> str:
    return next((suffix for suffix in ("-2", _FALLBACK) if name.endswith(suffix)), "")


def spec(plan: Plan, name: str) -> Spec:
    """Give the spec of a process; its configuration is written where it finds it."""
    alone = {"carrier": _carrier, "speech": _speech}
    if name in alone:
        return alone[name](plan)
    makers = {
        "redis": _redis,
        "livekit-server": _livekit_server,
        "livekit-sip": _livekit_sip,
        "api": _api,
        "loops": _loops,
        "worker": _worker,
    }
    return makers[name.removesuffix(_suffix(name))](plan, name)


def dialer_environment(plan: Plan, name: str = "api") -> dict[str, str]:
    """Give the environment of the dialer and its commands."""
    address, username, password = plan.trunk
    return _environment(
        DATABASE_URL=plan.database_url,
        REDIS_URL=plan.reach(plan.redis_url, "redis"),
        TOKEN_SECRET=plan.kept.token_secret,
        SIP_TRUNK_ADDRESS=address,
        SIP_TRUNK_USERNAME=username,
        SIP_TRUNK_PASSWORD=password,
        SIP_TRUNK_TRANSPORT="tls" if plan.options.tls else "udp",
        SIP_TRUNK_MEDIA_ENCRYPTION=plan.options.tls or "disable",
        SIP_TRUNK_CPS=_CALLS_PER_SECOND,
        SIP_CALLER_IDS=CALLER_IDS,
        AGENTS_FILE=str(PROJECT / "agents.yaml"),
        API_HOST="127.0.0.1",
        API_PORT=str(urlsplit(plan.api_of(name)).port),
        PUBLIC_URL=plan.api_url,
        LIVEKIT_PUBLIC_URL=plan.livekit_url,
        **_livekit(plan, name),
        **(_fallback(plan) if plan.options.fallback else {}),
    )


def _fallback(plan: Plan) -> dict[str, str]:
    name = "livekit-server-fallback"
    return {
        "LIVEKIT_FALLBACK_URL": plan.livekit_of(name),
        "LIVEKIT_FALLBACK_API_KEY": plan.which(name).key,
        "LIVEKIT_FALLBACK_API_SECRET": plan.which(name).secret,
    }


def _redis(plan: Plan, name: str) -> Spec:
    port = plan.ports[name]
    config = _written(plan, f"{name}.conf", config_files.redis(port, str(plan.folders.run)))
    return Spec(name, ("redis-server", config), _environment(), probes.redis("127.0.0.1", port))


def _livekit_server(plan: Plan, name: str) -> Spec:
    webhook = (
        f"{plan.reach(plan.api_of(name), 'api')}/webhooks/livekit" if plan.runs("api") else None
    )
    text = config_files.livekit_server(plan.ports, webhook, plan.which(name))
    binary = str(servers_build.find(servers_build.LIVEKIT_SERVER))
    return Spec(
        name,
        (binary, "--config", _written(plan, f"{name}.yaml", text)),
        _environment(),
        probes.http(f"http{plan.livekit_of(name).removeprefix('ws')}/"),
        after=(plan.which(name).redis,),
    )


def _livekit_sip(plan: Plan, name: str) -> Spec:
    which = plan.which(name)
    trust: dict[str, str] = {}
    identity = None
    if plan.options.tls:
        identity = plan.authority.identity(name)
        # The bridge has no setting for it: Go takes the authorities of the system, or these.
        trust["SSL_CERT_FILE"] = str(plan.authority.certificate)
    text = config_files.livekit_sip(
        plan.ports, plan.sip_ip, which, plan.options.sip_settings, identity
    )
    binary = str(servers_build.find(servers_build.LIVEKIT_SIP))
    return Spec(
        name,
        (binary, "--config", _written(plan, f"{name}.yaml", text)),
        _environment(**trust),
        # Over its CPU limit it says 429 and is there all the same.
        probes.http(f"http://{plan.ports.address(f'sip-health{which.suffix}')}/", 429),
        after=(which.redis, f"livekit-server{which.suffix}"),
        # SIGTERM would wait for calls to end, without limit; SIGINT hangs them up.
        stop_signal=signal.SIGINT,
    )


def _carrier(plan: Plan) -> Spec:
    ports, kept = plan.ports, plan.kept
    first, last = ports.carrier_rtp
    flags = {
        "-sip": ports.address("carrier"),
        "-control": ports.address("carrier-control"),
        "-username": kept.carrier_username,
        "-password": kept.carrier_password,
        "-dir": str(plan.folders.carrier_recordings),
        "-cache": str(plan.settings.cache / "utterances"),
        "-bridge": ports.address("sip"),
        "-rtp": f"{first}-{last}",
        **(_carrier_tls(plan) if plan.options.tls else {}),
    }
    if plan.options.profile:
        flags["-profile"] = plan.options.profile
    if plan.runs("speech"):
        flags["-speech"] = plan.speech_url
    command = [str(servers_build.build_carrier())]
    for flag, value in flags.items():
        command += [flag, value]
    probe = probes.http(f"{plan.carrier_control_url}/healthz")
    return Spec("carrier", tuple(command), _environment(), probe)


def _carrier_tls(plan: Plan) -> dict[str, str]:
    own = plan.authority.identity("carrier")
    return {
        "-tls": plan.ports.address("carrier-tls"),
        "-tls-cert": str(own.certificate),
        "-tls-key": str(own.key),
        "-tls-trust": str(plan.authority.certificate),
        "-tls-bridge": plan.ports.address("sip-tls"),
    }


def _speech(plan: Plan) -> Spec:
    port = str(plan.ports["speech"])
    command = (sys.executable, "-m", "sandbox.speech", "--host", "127.0.0.1", "--port", port)
    probe = probes.http(f"http://{plan.ports.address('speech')}/healthz")
    return Spec("speech", command, _environment(), probe, first_ready_within=180.0)


def _api(plan: Plan, name: str) -> Spec:
    split = ("--no-loops",) if plan.runs("loops") else ()
    return Spec(
        name,
        (sys.executable, "-m", "dialer", "api", *split),
        dialer_environment(plan, name),
        probes.http(f"{plan.api_of(name)}/healthz"),
        after=("redis", "livekit-server"),
    )


def _loops(plan: Plan, name: str) -> Spec:
    return Spec(
        name,
        (sys.executable, "-m", "dialer", "loops"),
        dialer_environment(plan, name),
        probes.nothing_to_ask,
        after=("redis", "livekit-server"),
    )


def _worker(plan: Plan, name: str) -> Spec:
    mine = plan.api_of(name)
    others = {plan.api_of("api"), plan.api_of("api-2")} - {mine}
    apis = [plan.reach(url, "api") for url in (mine, *others)]
    environment = _environment(
        DIALER_URL=",".join(apis),
        WORKER_TOKEN=plan.kept.worker_tokens.get(name, ""),
        WORKER_ID=name,
        WORKER_HTTP_PORT=str(plan.ports[name]),
        OPENAI_BASE_URL=plan.settings.openai_base_url or plan.speech_url,
        OPENAI_API_KEY=plan.settings.openai_api_key.get_secret_value(),
        SPOOL_DIR=str(plan.folders.data / "spool"),
        RECORDINGS_DIR=str(plan.folders.recordings),
        WORKER_LIVEKIT="fallback" if name in FALLBACK else "own",
        **_livekit(plan, name),
    )
    return Spec(
        name,
        (sys.executable, "-m", "agent"),
        environment,
        probes.http(f"http://{plan.ports.address(name)}/"),
        after=(
            "livekit-server-fallback" if name in FALLBACK else "livekit-server",
            "speech",
            "api",
        ),
        first_ready_within=_FIRST_WORKER_READY,
    )


def _livekit(plan: Plan, name: str) -> dict[str, str]:
    return {
        "LIVEKIT_URL": plan.reach(plan.livekit_of(name), "livekit"),
        "LIVEKIT_API_KEY": plan.which(name).key,
        "LIVEKIT_API_SECRET": plan.which(name).secret,
        "LIVEKIT_AGENT_NAME": "telephony",
    }


def _environment(**own: str) -> dict[str, str]:
    return {**inherited(), "PYTHONUNBUFFERED": "1", **own}


def _written(plan: Plan, name: str, text: str) -> str:
    path = plan.folders.run / name
    write_private(path, text)
    return str(path)
