"""What the containers' entrypoints make of their environment, and what they refuse."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.compose_file import Server, server
from tests.kit.without_containers import Service

MISCONFIGURED = 78


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return server(tmp_path_factory.mktemp("entrypoints") / "gateway")


@pytest.fixture(scope="module")
def project(gateway: Server) -> dict[str, Any]:
    return gateway.project()


class Entrypoint:
    """Runs the entrypoint of a service with ``true`` as its command."""

    def __init__(self, project: dict[str, Any], folder: Path, name: str) -> None:
        self.project = project
        self.service = Service(name, project["services"][name], folder)
        self.service.prepare(project["secrets"])

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        words = [self.service.here(word) for word in self.service.spec["entrypoint"]]
        return subprocess.run(
            [*words, *(command or ("true",))],
            env=self.service.environment | environment,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def secret(self, name: str, value: str) -> None:
        (self.service.paths["/run/secrets"] / name).write_text(value)

    def config(self, name: str, text: str) -> None:
        """Write a file of config/, which this service alone has."""
        own = self.service.folder / "config" / self.service.name
        own.mkdir(parents=True, exist_ok=True)
        (own / name).write_text(text)
        self.service.paths["/config"] = own

    def rendered(self, name: str) -> Path:
        return self.service.paths["/run/gateway"] / name

    def yaml(self, name: str, **environment: str) -> dict[str, Any]:
        done = self.run(**environment)
        assert done.returncode == 0, done.stderr
        return yaml.safe_load(self.rendered(name).read_text())

    def refuses(self, **environment: str) -> str:
        done = self.run(**environment)
        assert done.returncode == MISCONFIGURED, (done.returncode, done.stderr)
        return done.stderr


Entry = Callable[[str], Entrypoint]


@pytest.fixture
def entry(project: dict[str, Any], tmp_path: Path) -> Entry:
    return lambda name: Entrypoint(project, tmp_path, name)


def test_without_an_address_both_servers_ask_for_it(entry: Entry) -> None:
    rtc = entry("livekit-server").yaml("livekit-server.yaml")["rtc"]
    assert rtc["use_external_ip"] is True
    assert rtc["advertise_internal_ip"] is True
    assert "node_ip" not in rtc
    bridge = entry("livekit-sip").yaml("livekit-sip.yaml")
    assert bridge["use_external_ip"] is True
    assert "nat_1_to_1_ip" not in bridge


def test_joining_makes_a_room_only_where_calls_come_in(entry: Entry) -> None:
    server_ = entry("livekit-server")
    room = server_.yaml("livekit-server.yaml")["room"]
    assert (room["auto_create"], room["empty_timeout"]) == (True, 30)
    assert server_.yaml("livekit-server.yaml", INBOUND_CALLS="false")["room"] == {
        "auto_create": False
    }
    assert "INBOUND_CALLS is true or false" in server_.refuses(INBOUND_CALLS="yes")


def test_an_address_that_is_set_is_told_to_callers_and_browsers(entry: Entry) -> None:
    rtc = entry("livekit-server").yaml("livekit-server.yaml", PUBLIC_IP="203.0.113.7")["rtc"]
    assert (rtc["use_external_ip"], rtc["node_ip"]) == (False, "203.0.113.7")
    bridge = entry("livekit-sip").yaml("livekit-sip.yaml", PUBLIC_IP="203.0.113.7")
    assert (bridge["use_external_ip"], bridge["nat_1_to_1_ip"]) == (False, "203.0.113.7")
    assert "listen_ip" not in bridge


def test_a_trial_on_loopback_listens_there_only(entry: Entry) -> None:
    rtc = entry("livekit-server").yaml("livekit-server.yaml", PUBLIC_IP="127.0.0.1")["rtc"]
    assert rtc["interfaces"] == {"includes": ["lo"]}
    assert entry("livekit-sip").yaml("livekit-sip.yaml", PUBLIC_IP="127.0.0.1")["listen_ip"] == (
        "127.0.0.1"
    )


def test_the_ports_are_those_of_the_book(entry: Entry) -> None:
    server_ = entry("livekit-server").yaml("livekit-server.yaml")
    assert server_["port"] == 7880
    assert (server_["rtc"]["tcp_port"], server_["rtc"]["udp_port"]) == (7881, 7882)
    assert server_["bind_addresses"] == ["127.0.0.1"]
    bridge = entry("livekit-sip").yaml("livekit-sip.yaml")
    assert (bridge["sip_port"], bridge["rtp_port"]) == (5060, "10000-20000")


def test_the_two_servers_share_a_secret_and_redis(entry: Entry, gateway: Server) -> None:
    server_ = entry("livekit-server").yaml("livekit-server.yaml")
    bridge = entry("livekit-sip").yaml("livekit-sip.yaml")
    secret, password = gateway.secret("livekit_api_secret"), gateway.secret("redis_password")
    assert server_["keys"] == {"gateway": secret}
    assert (bridge["api_key"], bridge["api_secret"]) == ("gateway", secret)
    assert (
        server_["redis"] == bridge["redis"] == {"address": "127.0.0.1:6379", "password": password}
    )
    assert server_["webhook"]["api_key"] == "gateway"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("livekit-server", "livekit-server.yaml"),
        ("livekit-sip", "livekit-sip.yaml"),
        ("redis", "redis.conf"),
    ],
)
def test_a_file_with_secrets_is_its_owners_only(entry: Entry, name: str, file: str) -> None:
    found = entry(name)
    assert found.run().returncode == 0
    assert stat.S_IMODE(found.rendered(file).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "address", ["203.0.113", "203.0.113.256", "calls.example.com", "::1", "1.2.3.4\nport: 1"]
)
def test_an_address_that_is_none_is_refused(entry: Entry, address: str) -> None:
    for name in ("livekit-server", "livekit-sip"):
        assert "PUBLIC_IP has to be an IPv4 address" in entry(name).refuses(PUBLIC_IP=address)


@pytest.mark.parametrize("port", ["0", "65536", "5060x", "", "-1"])
def test_a_port_that_is_none_is_refused(entry: Entry, port: str) -> None:
    assert "SIP_PORT has to be a port" in entry("livekit-sip").refuses(SIP_PORT=port)


def test_a_bridge_with_too_few_ports_for_its_calls_does_not_start(entry: Entry) -> None:
    told = entry("livekit-sip").refuses(SIP_RTP_PORTS="10000-10038")
    assert "4 workers of 5 calls need 40" in told
    assert entry("livekit-sip").run(SIP_RTP_PORTS="10000-10039").returncode == 0
    assert "need 80" in entry("livekit-sip").refuses(
        SIP_RTP_PORTS="10000-10039", WORKER_CAPACITY="10"
    )


@pytest.mark.parametrize("ports", ["10000", "20000-10000", "10000-", "-20000", "a-b", "1-99999"])
def test_a_range_that_is_none_is_refused(entry: Entry, ports: str) -> None:
    assert entry("livekit-sip").refuses(SIP_RTP_PORTS=ports)


@pytest.mark.parametrize("share", ["90", "2", "-0.5", "0.9 # none", "a lot"])
def test_a_share_of_the_cores_that_is_none_is_refused(entry: Entry, share: str) -> None:
    told = entry("livekit-sip").refuses(SIP_MAX_CPU_UTILIZATION=share)
    assert "SIP_MAX_CPU_UTILIZATION" in told


def test_sip_over_tls_takes_the_certificate_that_caddy_fetched(entry: Entry) -> None:
    bridge = entry("livekit-sip")
    told = bridge.refuses(SIP_TLS_DOMAIN="sip.example.com", CERTIFICATE_PATIENCE_SECONDS="0")
    assert "no certificate for SIP_TLS_DOMAIN=sip.example.com yet" in told
    folder = bridge.service.paths["/caddy"] / "caddy/certificates/some-authority/sip.example.com"
    folder.mkdir(parents=True)
    (folder / "sip.example.com.crt").touch()
    tls = bridge.yaml("livekit-sip.yaml", SIP_TLS_DOMAIN="sip.example.com")["tls"]
    assert tls == {
        "port": 5061,
        "min_version": "tls1.2",
        "certs": [
            {
                "cert_file": str(folder / "sip.example.com.crt"),
                "key_file": str(folder / "sip.example.com.key"),
            }
        ],
    }


@pytest.mark.parametrize("secret", ["", "with space", 'quote"d', "a#b", "line\nbreak", "ü" * 40])
def test_a_secret_that_would_break_a_file_is_refused(entry: Entry, secret: str) -> None:
    for name in ("livekit-server", "livekit-sip", "redis"):
        found = entry(name)
        found.secret("redis_password", secret)
        told = found.refuses()
        assert "redis_password" in told
        assert secret == "" or secret not in told


def test_a_secret_that_is_missing_is_told(entry: Entry) -> None:
    found = entry("redis")
    (found.service.paths["/run/secrets"] / "redis_password").unlink()
    assert "run ./make-secrets" in found.refuses()


def test_a_short_livekit_secret_is_refused(entry: Entry) -> None:
    found = entry("livekit-server")
    found.secret("livekit_api_secret", "short")
    assert "32 characters" in found.refuses()


def given(found: Entrypoint, **environment: str) -> dict[str, str]:
    done = found.run("env", "-0", **environment)
    assert done.returncode == 0, done.stderr
    return dict(pair.split("=", 1) for pair in done.stdout.split("\0") if "=" in pair)


def test_the_api_is_given_its_settings(entry: Entry, gateway: Server) -> None:
    found = entry("api")
    awkward = "p@ss/w:o rd'\"$HOME`id`\\"
    found.secret("sip_trunk_password", awkward + "\n")
    found.secret("carriers_env", "# Twilio\nTWILIO_AUTH_TOKEN=a=b c'd\n\nTELNYX_API_KEY=k\n")
    found.config("trunks.yaml", "a: ${TWILIO_AUTH_TOKEN}\nb: x-${TELNYX_API_KEY}\n")
    settings = given(found)
    database = gateway.secret("postgres_password")
    assert settings["DATABASE_URL"] == f"postgresql://telephony:{database}@127.0.0.1:5432/telephony"
    redis = gateway.secret("redis_password")
    assert settings["REDIS_URL"] == f"redis://:{redis}@127.0.0.1:6379/0"
    assert settings["SIP_TRUNK_PASSWORD"] == awkward
    assert settings["TWILIO_AUTH_TOKEN"] == "a=b c'd"
    assert settings["TELNYX_API_KEY"] == "k"
    assert settings["PUBLIC_URL"] == "https://calls.example.com"
    assert settings["SECRETS_KEY"] == gateway.secret("secrets_key")
    assert settings["METRICS_TOKEN"] == gateway.secret("metrics_token")
    assert "OPENAI_API_KEY" not in settings


def test_a_secret_that_is_empty_is_not_set(entry: Entry) -> None:
    assert "SIP_TRUNK_PASSWORD" not in given(entry("api"))


@pytest.mark.parametrize("line", ["no equals sign", "lower=x", "BAD-NAME=x", "A;B=x", "=x"])
def test_a_line_of_carriers_that_is_none_is_refused(entry: Entry, line: str) -> None:
    found = entry("api")
    found.secret("carriers_env", f"GOOD=1\n{line}\n")
    told = found.refuses()
    assert "carriers_env" in told
    assert line not in told


def test_what_no_file_refers_to_is_left_out(entry: Entry) -> None:
    found = entry("api")
    found.config("trunks.yaml", "a: ${TWILIO_AUTH_TOKEN}\n# PATH_OF TELNYX_API_KEY $PBX ${X_Y}\n")
    found.config("other.yaml", "a: ${PBX_PASSWORD}\n")
    left_out = ["TELNYX_API_KEY", "FAILPOINTS_ENABLED", "LD_PRELOAD", "PYTHONPATH", "PBX", "X", "Y"]
    taken = ["TWILIO_AUTH_TOKEN", "PBX_PASSWORD", "LIVEKIT_FALLBACK_URL"]
    found.secret("carriers_env", "".join(f"{name}=hidden\n" for name in [*left_out, *taken]))
    done = found.run("env", "-0")
    assert done.returncode == 0, done.stderr
    names = {pair.partition("=")[0] for pair in done.stdout.split("\0")}
    assert names.isdisjoint(left_out) and names.issuperset(taken)
    for name in left_out:
        assert f"carriers_env: {name} is left out" in done.stderr
    assert "hidden" not in done.stderr


def test_where_config_is_not_given_nothing_is_taken_of_it(entry: Entry) -> None:
    found = entry("prepare")
    found.secret("carriers_env", "TWILIO_AUTH_TOKEN=x\n")
    assert "TWILIO_AUTH_TOKEN" not in given(found)
    assert found.run().stderr == ""


@pytest.mark.parametrize(
    "name", ["DATABASE_URL", "TOKEN_SECRET", "API_HOST", "PATH", "SECRETS_DIR", "TWICE"]
)
def test_carriers_override_no_setting(entry: Entry, name: str) -> None:
    found = entry("api")
    found.config("trunks.yaml", f"a: ${{{name}}}\nb: ${{TWICE}}\n")
    found.secret("carriers_env", f"TWICE=hidden\n{name}=hidden\n")
    told = found.refuses()
    assert f"carriers_env: {name} is set already" in told
    assert "hidden" not in told


def test_a_worker_is_given_the_token_of_its_name(entry: Entry) -> None:
    found = entry("worker-2")
    assert "no token for worker-2" in found.refuses()
    (found.service.paths["/tokens"] / "worker-2").write_text("its-token\n")
    settings = given(found)
    assert settings["WORKER_TOKEN"] == "its-token"
    assert "DATABASE_URL" not in settings
    assert "TOKEN_SECRET" not in settings


@pytest.mark.parametrize("domain", ["a b.example.com", "x.example.com { respond 200 }", "a_b\n{}"])
def test_caddy_refuses_a_name_that_would_be_more(entry: Entry, domain: str) -> None:
    for variable in ("API_DOMAIN", "LIVEKIT_DOMAIN", "SIP_TLS_DOMAIN"):
        assert f"{variable} has to be a name" in entry("caddy").refuses(**{variable: domain})


@pytest.mark.parametrize("newest", ["acme-old", "acme-new"])
def test_of_several_authorities_certificates_the_bridge_takes_the_newest(
    entry: Entry, newest: str
) -> None:
    """Also not that of a trial, which no carrier trusts, though it be the youngest."""
    bridge, name = entry("livekit-sip"), "other.example.com"
    at = 1_800_000_000
    for authority in ("acme-old", "acme-new", "local"):
        folder = bridge.service.paths["/caddy"] / "caddy/certificates" / authority / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.crt").touch()
        moment = {newest: at, "local": at + 10}.get(authority, at - 10)
        os.utime(folder / f"{name}.crt", (moment, moment))

    def chosen(**settings: str) -> str:
        told = bridge.yaml("livekit-sip.yaml", SIP_TLS_DOMAIN=name, **settings)
        return Path(told["tls"]["certs"][0]["cert_file"]).parent.parent.name

    assert chosen(CERTIFICATES="you@example.com") == newest
    assert chosen(CERTIFICATES="internal") == "local"


@pytest.mark.parametrize("certificates", ["you", "example.com", "external"])
def test_caddy_wants_an_address_or_its_own_authority(entry: Entry, certificates: str) -> None:
    assert "mail address" in entry("caddy").refuses(CERTIFICATES=certificates)
