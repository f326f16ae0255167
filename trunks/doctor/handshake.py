"""TLS: does the carrier speak it, who vouches for its certificate, for which name, until when."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from cryptography import x509

from trunks.doctor.findings import Finding, bad, doubt, good
from trunks.doctor.subject import Subject
from trunks.doctor.wire import PATIENCE, wants_certificate

_PART = "tls"
_SOON = timedelta(days=14)
#: Numbers of OpenSSL's X509_verify_cert: out of its time; another host, another address.
_OUT_OF_TIME = (9, 10)
_OTHER_NAME = (62, 64)


async def probe(subject: Subject) -> AsyncIterator[Finding]:
    """Shake hands twice: once as the strictest bridge would, and once to read what is shown."""
    shown = await _handshake(subject, _blind())
    if isinstance(shown, Exception):
        yield _refused(shown)
        return
    certificate, version = shown
    strict = await _handshake(subject, ssl.create_default_context())
    if isinstance(strict, Exception):
        yield _not_trusted(strict, certificate)
    else:
        yield good(_PART, f"{version}, and the certificate is trusted: {_named(certificate)}")
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    if timedelta(0) < left < _SOON:
        said = f"the certificate expires in {left.days} days"
        yield doubt(_PART, said, "expired_certificate")


def _blind() -> ssl.SSLContext:
    """Make a context that takes any certificate; nothing is sent over it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _handshake(
    subject: Subject, context: ssl.SSLContext
) -> tuple[x509.Certificate, str] | Exception:
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(
                subject.host, subject.port, ssl=context, server_hostname=subject.host
            )
    except (OSError, TimeoutError) as error:
        return error
    try:
        over: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return x509.load_der_x509_certificate(over.getpeercert(True) or b""), over.version() or ""
    except ValueError as error:
        return error
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()


def _refused(error: Exception) -> Finding:
    if isinstance(error, ConnectionRefusedError):
        return bad(_PART, "nobody listens at this port", "nobody_listens")
    if isinstance(error, TimeoutError):
        return bad(_PART, "nobody answers at this port", "no_answer")
    if wants_certificate(error):
        return bad(_PART, "it wants a certificate of ours", "client_certificate")
    if isinstance(error, (ssl.SSLError, ConnectionError)):
        return bad(_PART, "what listens at this port speaks no TLS", "no_tls")
    return bad(_PART, f"no handshake: {type(error).__name__}", "no_answer")


def _not_trusted(error: Exception, certificate: x509.Certificate) -> Finding:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return _refused(error)
    if error.verify_code in _OUT_OF_TIME:
        until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        return bad(_PART, f"the certificate is out of its time (until {until})", _EXPIRED)
    if error.verify_code in _OTHER_NAME:
        return doubt(_PART, f"the certificate is for {_named(certificate)}", "other_name")
    said = f"nobody we trust vouches for {_named(certificate)} ({error.verify_message})"
    return bad(_PART, said, "unknown_authority")


_EXPIRED = "expired_certificate"


def _named(certificate: x509.Certificate) -> str:
    with suppress(x509.ExtensionNotFound, ValueError):
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        told = [str(one.value) for one in names]
        return ", ".join(told[:4])
    return certificate.subject.rfc4514_string()[:80] or "nobody"
