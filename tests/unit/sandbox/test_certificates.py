"""The sandbox's own authority: openssl makes what TLS needs."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from sandbox.certificates import Authority, Identity, NoCertificate


def authority(folder: Path) -> Authority:
    made = Authority(folder)
    made.make()
    return made


def vouched_for(by: Authority, who: Identity) -> bool:
    command = ["openssl", "verify", "-CAfile", str(by.certificate), str(who.certificate)]
    return subprocess.run(command, capture_output=True).returncode == 0


def test_a_certificate_is_vouched_for_by_its_authority_and_by_no_other(tmp_path: Path) -> None:
    ours, foreign = authority(tmp_path / "ours"), authority(tmp_path / "foreign")
    bridge = ours.issue("bridge")
    assert bridge == ours.identity("bridge")
    assert vouched_for(ours, bridge)
    assert not vouched_for(foreign, bridge)


def test_a_renewed_certificate_takes_the_place_of_the_one_before_with_its_own_key(
    tmp_path: Path,
) -> None:
    ours = authority(tmp_path)
    before = ours.issue("bridge").certificate.read_text()
    renewed = ours.issue("bridge")
    assert renewed.certificate.read_text() != before
    # Refused where key and certificate do not belong together.
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(renewed.certificate, renewed.key)


def test_keys_are_their_owner_s_alone(tmp_path: Path) -> None:
    assert authority(tmp_path).issue("bridge").key.stat().st_mode & 0o077 == 0


def test_a_missing_openssl_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(_: str) -> None:
        return None

    monkeypatch.setattr(shutil, "which", nowhere)
    with pytest.raises(NoCertificate, match="make setup"):
        Authority(tmp_path).make()


def test_what_openssl_says_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoCertificate, match="openssl made no certificate"):
        Authority(tmp_path).issue("bridge")  # without an authority
