"""Certificates of the programs of a run: who an OPC UA application says it is, and whom it trusts.

Every program has a self-signed certificate and its key in the `pki` folder of the run directory.
The folder is readable by its owner only, so what lies in it as a certificate is trusted. Contents
of a certificate follow OPC 10000-6, 6.2.2.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from raffinate.errors import DataError, SpecificationError

KEY_BITS = 2048
"""Length of the keys, [bit]; Basic256Sha256 permits 2048 to 4096 (OPC 10000-7)."""

VALIDITY = timedelta(days=730)
"""Life of a certificate. Assumed: longer than a campaign, short enough to be renewed."""

CLOCK_SKEW = timedelta(hours=1)
"""How far a certificate is dated back, for peers whose clock is slow. Assumed."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Certificate and key of one program.

    Attributes:
        name: Of the program, such as "twin".
        certificate: Self-signed; its subject alternative name holds the application URI.
        der: The certificate as it is sent.
        key: Private key, PKCS #8 in DER.
        file: Where the certificate lies.
    """

    name: str
    certificate: x509.Certificate
    der: bytes
    key: bytes
    file: Path

    @property
    def application_uri(self) -> str:
        """URI by which the application calls itself; it must stand in the certificate."""
        return application_uri(self.certificate)


def make_identity(
    folder: Path,
    name: str,
    *,
    validity: timedelta = VALIDITY,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> Identity:
    """Make a key and a self-signed certificate, `<name>.pem` and `<name>.der`, replacing others.

    Args:
        folder: Made if missing, with access for its owner only.
        name: Of the program.
        validity: Time from now for which it holds.
        not_before: Start of validity, in place of an hour ago.
        not_after: End of validity, in place of the one that `validity` gives.

    Raises:
        SpecificationError: The name cannot be a file's.
    """
    if not _NAME.fullmatch(name):
        raise SpecificationError(
            f"{name!r} cannot name a program.",
            where="certificates",
            allowed="letters, digits, dot, dash and underscore",
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    now = datetime.now(UTC)
    end = not_after or now + validity
    begin = not_before or min(now, end) - CLOCK_SKEW
    certificate = _self_signed(key, name, begin, end)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # The key first: a reader who finds the certificate then finds its key too.
    _write(folder / f"{name}.pem", secret, 0o600)
    _write(folder / f"{name}.der", certificate.public_bytes(serialization.Encoding.DER), 0o644)
    return _read(folder, name)


def load_identity(folder: Path, name: str) -> Identity:
    """Read the certificate and key of a program.

    Raises:
        DataError: A file is missing, is not what it should be, or the certificate is out of its
            time.
    """
    found = _read(folder, name)
    check_validity(found.certificate, str(found.file))
    return found


def identity(folder: Path, name: str, validity: timedelta = VALIDITY) -> Identity:
    """Return the identity of a program, made at its first use.

    Args:
        folder: Of certificates.
        name: Of the program.
        validity: Time from now for which a new certificate holds.

    Raises:
        DataError: It exists and cannot be used.
    """
    if not (folder / f"{name}.der").exists():
        return make_identity(folder, name, validity=validity)
    return load_identity(folder, name)


def load_certificate(file: Path) -> x509.Certificate:
    """Read a certificate in DER or PEM.

    Raises:
        DataError: The file cannot be read or is no certificate.
    """
    try:
        content = file.read_bytes()
        if content.lstrip().startswith(b"-----BEGIN"):
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except (OSError, ValueError) as error:
        raise DataError(f"the certificate cannot be read: {error}.", where=str(file)) from error


def check_validity(certificate: x509.Certificate, where: str, now: datetime | None = None) -> None:
    """Refuse a certificate before its time or after it.

    Args:
        certificate: To judge.
        where: File or server it came from.
        now: UTC; the time of the call unless given.

    Raises:
        DataError: It does not hold now.
    """
    now = now or datetime.now(UTC)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if begin <= now <= end:
        return
    fault = f"expired on {end:%Y-%m-%d %H:%M} UTC" if now > end else "is not valid yet"
    raise DataError(
        f"the certificate of {common_name(certificate)} {fault}.",
        where=where,
        allowed=f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC",
        mend="Delete it and its key and start again to have it made anew, or set the clock right.",
    )


def application_uri(certificate: x509.Certificate) -> str:
    """Return the URI in the subject alternative name; empty where there is none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if uris else ""


def common_name(certificate: x509.Certificate) -> str:
    """Return the name of the subject, for messages."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else "an unnamed subject"


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate in hexadecimal digits, as `--trust` takes it."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def trusted_fingerprints(trust: Path | str | None, pki: Path, name: str) -> frozenset[str]:
    """Return the fingerprints of the certificates a program accepts from a server.

    Args:
        trust: A file; a fingerprint, with or without "sha256:" and colons; None for those in the
            run's own folder.
        pki: The run's folder of certificates.
        name: The program itself, whose own certificate no server shows.

    Raises:
        DataError: The file is no certificate.
    """
    if trust is None:
        files = sorted(pki.glob("*.der"))
        return frozenset(fingerprint(load_certificate(f)) for f in files if f.stem != name)
    digits = str(trust).lower().removeprefix("sha256:").replace(":", "")
    if re.fullmatch(r"[0-9a-f]{64}", digits):
        return frozenset({digits})
    return frozenset({fingerprint(load_certificate(Path(trust)))})


def trusted_clients(pki: Path) -> frozenset[str] | None:
    """Return the fingerprints of the clients a server accepts; None for any client.

    A folder `trusted` in the run's folder of certificates makes it a list: what lies there and the
    run's own programs. Without it, people are known by their name and password alone.
    """
    extra = pki / "trusted"
    if not extra.is_dir():
        return None
    files = [*pki.glob("*.der"), *extra.glob("*.der"), *extra.glob("*.pem")]
    return frozenset(fingerprint(load_certificate(file)) for file in files)


def _read(folder: Path, name: str) -> Identity:
    file, key_file = folder / f"{name}.der", folder / f"{name}.pem"
    certificate = load_certificate(file)
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"the private key cannot be read: {error}.",
            where=str(key_file),
            mend=f"Delete {file.name} and {key_file.name}; they are made anew.",
        ) from error
    return Identity(
        name=name,
        certificate=certificate,
        der=certificate.public_bytes(serialization.Encoding.DER),
        key=key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        file=file,
    )


def _self_signed(
    key: rsa.RSAPrivateKey, name: str, begin: datetime, end: datetime
) -> x509.Certificate:
    host = socket.gethostname()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"raffinate {name}"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "raffinate"),
        ]
    )
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(f"urn:{host}:raffinate:{name}"),
        x509.DNSName(host),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _write(file: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all, never readable by more than `mode` says."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    os.replace(part, file)
