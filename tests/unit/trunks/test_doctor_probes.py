"""Each of the doctor's probes, against a far end on this machine."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from sandbox.certificates import Authority
from tests.kit.sip_answerer import answer, closed, header, over_tcp, over_udp, saying
from tests.unit.trunks.doctoring import all_of, subject, told
from trunks.doctor import handshake, naming, signalling, srv, versions, wire
from trunks.doctor.srv import Service
from trunks.sip_destinations import Destination


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(wire, "PATIENCE", 1.0)
    monkeypatch.setattr(wire, "_REPEATS", (0.1, 0.2))


# Ports, digest, codecs, NAT.


async def test_a_carrier_that_answers_is_well_in_every_part() -> None:
    async with over_udp(saying("200 OK", via=";received=127.0.0.1;rport=4000")) as carrier:
        found = await all_of(signalling.probe(subject(carrier.port)))
    assert told(found) == {
        "sip over udp": ("ok", ""),
        "digest": ("check", ""),
        "codecs": ("ok", ""),
        "nat": ("ok", ""),
    }


async def test_silence_and_a_closed_port_have_words_of_their_own() -> None:
    async with over_udp(lambda _: b"") as carrier:
        silent = await all_of(signalling.probe(subject(carrier.port)))
    with socket.socket() as shut:
        shut.bind(("127.0.0.1", 0))
        port = shut.getsockname()[1]
        absent = await all_of(signalling.probe(subject(port, transport="tcp")))
    assert told(silent) == {"sip over udp": ("fix", "no_answer")}
    assert told(absent) == {"sip over tcp": ("fix", "nobody_listens")}


async def test_of_a_trunk_that_may_use_either_one_transport_is_enough() -> None:
    async with over_tcp(saying("200 OK")) as carrier:
        found = await all_of(signalling.probe(subject(carrier.port, transport="auto")))
    assert told(found)["sip over tcp"] == ("ok", "")
    assert told(found)["sip over udp"][0] == "check"


def guarded(password_is_right: bool) -> Callable[[str], bytes]:
    def reply(request: str) -> bytes:
        if not header(request, "Proxy-Authorization"):
            challenge = 'Proxy-Authenticate: Digest realm="carrier", nonce="n", qop="auth"'
            return answer(request, "407 Proxy Authentication Required", challenge)
        return answer(request, "200 OK" if password_is_right else "403 Forbidden")

    return reply


@pytest.mark.parametrize(
    ("password", "right", "verdict"),
    [
        ("secret", True, ("ok", "")),
        ("secret", False, ("fix", "not_authenticated")),
        ("", True, ("fix", "not_authenticated")),
    ],
)
async def test_a_carrier_that_asks_who_we_are_tells_whether_the_password_is_right(
    password: str, right: bool, verdict: tuple[str, str]
) -> None:
    async with over_udp(guarded(right)) as carrier:
        trunk = subject(carrier.port, username="acme" if password else "", password=password)
        found = await all_of(signalling.probe(trunk))
    assert told(found)["digest"] == verdict
    assert "secret" not in "".join(carrier.asked) + "".join(one.said for one in found)


@pytest.mark.parametrize(
    ("formats", "verdict"), [("0 8 101", ("ok", "")), ("18", ("fix", "no_common_codec"))]
)
async def test_codecs_that_a_carrier_tells_are_compared_with_ours(
    formats: str, verdict: tuple[str, str]
) -> None:
    body = f"v=0\r\nm=audio 9 RTP/AVP {formats}\r\na=rtpmap:18 G729/8000\r\n"
    async with over_udp(saying("200 OK", body=body)) as carrier:
        found = await all_of(signalling.probe(subject(carrier.port, codecs=("PCMU", "PCMA"))))
    assert told(found)["codecs"] == verdict


async def test_an_address_that_changes_on_the_way_is_a_nat() -> None:
    async with over_udp(saying("200 OK", via=";received=198.51.100.7;rport=40001")) as carrier:
        found = await all_of(signalling.probe(subject(carrier.port)))
    assert told(found)["nat"] == ("check", "behind_nat")
    assert any("198.51.100.7:40001" in one.said for one in found)


async def test_a_private_address_is_none_to_deliver_calls_to() -> None:
    bridge = Destination("192.168.1.7", 5060, "udp")
    async with over_udp(saying("200 OK")) as carrier:
        trunk = subject(carrier.port, delivered_to=(bridge,))
        found = await all_of(signalling.probe(trunk))
    assert told(found)["nat"] == ("fix", "behind_nat")


# TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.make()
    return made


@asynccontextmanager
async def over_tls(authority: Authority) -> AsyncGenerator[int]:
    identity = authority.issue("carrier")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity.certificate, identity.key)
    async with over_tcp(saying("200 OK"), context) as carrier:
        yield carrier.port


async def test_a_carrier_whose_authority_is_trusted_shakes_hands_and_answers(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    async with over_tls(authority) as port:
        trunk = subject(port, transport="tls")
        found = await all_of(handshake.probe(trunk)) + await all_of(signalling.probe(trunk))
    assert told(found)["tls"] == ("ok", "")
    assert told(found)["sip over tls"] == ("ok", "")


async def test_a_foreign_authority_is_told_with_the_setting_that_mends_it(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    async with over_tls(authority) as port:
        found = await all_of(handshake.probe(subject(port, transport="tls")))
    assert told(found)["tls"] == ("fix", "unknown_authority")


async def test_another_name_is_only_doubtful_since_the_bridge_may_not_look_at_it(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    identity = authority.issue("carrier")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity.certificate, identity.key)

    async def leave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closed(writer)

    server = await asyncio.start_server(leave, "127.0.0.2", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        trunk = subject(address=f"127.0.0.2:{port}", transport="tls")
        found = await all_of(handshake.probe(trunk))
    assert told(found)["tls"] == ("check", "other_name")


async def test_a_carrier_that_wants_a_certificate_of_ours_says_so_after_the_handshake(
    authority: Authority,
) -> None:
    identity = authority.issue("carrier")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
    context.load_cert_chain(identity.certificate, identity.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        trunk = subject(listener.getsockname()[1], transport="tls")
        _, found = await asyncio.gather(
            asyncio.to_thread(_refuse_strangers, listener, context),
            all_of(signalling.probe(trunk)),
        )
    assert told(found) == {"sip over tls": ("fix", "client_certificate")}


def _refuse_strangers(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Shake hands with one who comes: by a plain socket, as asyncio's servers send no alert."""
    accepted, _ = listener.accept()
    accepted.settimeout(30)
    line = context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
    with line:
        with pytest.raises(ssl.SSLError):
            line.do_handshake()
        with suppress(ConnectionError):
            while socket.socket.recv(line, 4096):
                pass  # until they leave: a reset might overtake the alert


async def test_a_port_without_tls_is_told_from_one_where_nobody_listens() -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SIP/2.0 400 Bad Request\r\n\r\n")
        await closed(writer)

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await all_of(handshake.probe(subject(port, transport="tls")))
    assert told(found) == {"tls": ("fix", "no_tls")}
    with socket.socket() as shut:
        shut.bind(("127.0.0.1", 0))
        port = shut.getsockname()[1]
        absent = await all_of(handshake.probe(subject(port, transport="tls")))
    assert told(absent) == {"tls": ("fix", "nobody_listens")}


# DNS.


def dns_answer(query: bytes, *records: tuple[int, int, int, str]) -> bytes:
    """Answer a question for SRV records, each name a pointer-free one."""
    told = query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0) + query[12:]
    for priority, weight, port, target in records:
        name = b"".join(bytes([len(p)]) + p.encode() for p in target.split(".")) + b"\0"
        data = struct.pack("!HHH", priority, weight, port) + name
        told += b"\xc0\x0c" + struct.pack("!HHIH", 33, 1, 60, len(data)) + data
    return told


@asynccontextmanager
async def name_server(reply: Callable[[bytes], bytes]) -> AsyncGenerator[tuple[str, int]]:
    class Serving(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.DatagramTransport, transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(reply(data), addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Serving, local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[:2]
    finally:
        transport.close()


async def test_srv_records_are_read_in_the_order_of_their_priority() -> None:
    records = [(20, 1, 5060, "b.example.com"), (10, 5, 5080, "a.example.com")]
    async with name_server(lambda query: dns_answer(query, *records)) as server:
        found = await srv.services("_sip._udp.example.com", server)
    assert found == [
        Service(10, 5, 5080, "a.example.com"),
        Service(20, 1, 5060, "b.example.com"),
    ]


def nothing_more(query: bytes) -> bytes:
    return query[:2]


def in_a_circle(query: bytes) -> bytes:
    return query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + b"\xc0\x0c" * 9


def more_than_there_are(query: bytes) -> bytes:
    return query[:4] + b"\x00\x01\xff\xff\x00\x00\x00\x00" + query[12:]


@pytest.mark.parametrize(
    "reply",
    [nothing_more, in_a_circle, more_than_there_are],
    ids=["too short", "a name in a circle", "more records than there are"],
)
async def test_a_name_server_that_lies_is_no_answer(reply: Callable[[bytes], bytes]) -> None:
    async with name_server(reply) as server:
        with pytest.raises(srv.NoAnswer):
            await srv.services("_sip._udp.example.com", server)


async def test_a_name_without_any_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> list[str]:
        return []

    monkeypatch.setattr(naming, "addresses_of", nothing)
    monkeypatch.setattr(naming.srv, "services", nothing)
    found = await all_of(naming.probe(subject(address="sip.example.invalid:5060")))
    assert told(found) == {"dns": ("fix", "no_such_name")}


async def test_srv_records_beside_an_address_are_said_not_to_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def addresses(_: str) -> list[str]:
        return ["203.0.113.9"]

    async def services(*_: object) -> list[Service]:
        return [Service(10, 5, 5080, "a.example.com")]

    monkeypatch.setattr(naming, "addresses_of", addresses)
    monkeypatch.setattr(naming.srv, "services", services)
    found = await all_of(naming.probe(subject(address="sip.example.com")))
    assert [one.verdict.value for one in found] == ["ok", "check"]
    assert "a.example.com:5080" in found[1].said and "5060" in found[1].said


async def test_an_address_needs_no_name_server() -> None:
    assert told(await all_of(naming.probe(subject()))) == {"dns": ("ok", "")}


# Versions.


@pytest.mark.parametrize(
    ("server", "version", "causes"),
    [
        ("livekit-sip", "1.8.0", {"known_bug"}),
        ("livekit-sip", "v1.9.0", {""}),
        ("livekit-server", "1.9.11", {"known_bug"}),
        ("livekit-server", "1.9.10", {""}),
        ("livekit-server", "1.13.5", {""}),
    ],
)
def test_a_version_is_looked_up_among_known_bugs(
    server: versions.Server, version: str, causes: set[str]
) -> None:
    found = list(versions.probe(server, version, "udp"))
    assert {one.cause for one in found if one.cause} == causes - {""}
    assert all("https://github.com/livekit/" in one.said for one in found if one.cause)


def test_what_only_concerns_tls_is_told_to_trunks_over_tls() -> None:
    def said(transport: str) -> str:
        return " ".join(one.said for one in versions.probe("livekit-sip", "1.9.0", transport))

    assert "certificate" in said("tls") and "certificate" not in said("udp")


def test_a_server_that_is_elsewhere_has_no_version_unless_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(versions.shutil, "which", lambda _: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(versions.Path, "home", lambda: tmp_path)
    told_by: dict[versions.Server, str] = {
        "livekit-sip": "--bridge-version",
        "livekit-server": "--server-version",
    }
    for server, option in told_by.items():
        (found,) = versions.probe(server, "", "udp")
        assert found.verdict.value == "check" and option in found.said
