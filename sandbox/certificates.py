"""A certificate authority of the sandbox's own, for SIP over TLS: openssl makes the files."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Not openssl's own configuration: it would add extensions of its own.
_CONFIGURATION: Final = """\
[req]
distinguished_name = empty
[empty]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
[peer]
basicConstraints = CA:false
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
"""
_DAYS: Final = "30"


class NoCertificate(Exception):
    """openssl is missing or did not do it; the message says which."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """An authority whose files are in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._configuration = folder / "openssl.cnf"
        self._own = self.identity("authority")

    @property
    def certificate(self) -> Path:
        """Give the file that whoever trusts the authority must have."""
        return self._own.certificate

    def make(self) -> None:
        """Make the authority anew. Errors: NoCertificate."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._configuration.write_text(_CONFIGURATION)
        self._request("authority", self._own, "Authority of the sandbox")

    def identity(self, name: str) -> Identity:
        """Say where the certificate of this name is, made or not."""
        return Identity(self._folder / f"{name}.pem", self._folder / f"{name}.key")

    def issue(self, name: str) -> Identity:
        """Make a certificate for loopback; one of that name is replaced, as at a renewal.

        Errors: NoCertificate.
        """
        wanted = self.identity(name)
        made = self.identity(f".{name}")
        vouched = ("-CA", str(self._own.certificate), "-CAkey", str(self._own.key))
        self._request("peer", made, name, *vouched)
        made.key.replace(wanted.key)
        made.certificate.replace(wanted.certificate)
        return wanted

    def _request(self, extensions: str, made: Identity, name: str, *vouched: str) -> None:
        openssl = shutil.which("openssl")
        if openssl is None:
            raise NoCertificate("openssl is missing; run: make setup")
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        files = ("-keyout", str(made.key), "-out", str(made.certificate))
        what = ("-extensions", extensions, "-subj", f"/CN={name}", "-days", _DAYS)
        command = [openssl, "req", "-x509", "-config", str(self._configuration)]
        asked = subprocess.run(
            [*command, *key, *files, *what, *vouched], capture_output=True, text=True, timeout=60
        )
        if asked.returncode != 0:
            raise NoCertificate(f"openssl made no certificate: {asked.stderr.strip()[-500:]}")
