"""One connection to an OPC UA server: its security, and its failures in words."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from asyncua.client.client import Client
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from raffinate.errors import DataError, RaffinateError, SpecificationError
from raffinate.runtime.opcua_pki import (
    application_uri,
    check_validity,
    common_name,
    fingerprint,
    identity,
    trusted_fingerprints,
)
from raffinate.runtime.opcua_types import ua

Security = Literal["sign_and_encrypt", "none"]
"""How a connection is protected. "none" is for a server that can do no better."""

POLICIES = ("Basic256Sha256", "Aes256Sha256RsaPss", "Aes128Sha256RsaOaep")
"""Policies a client uses, by preference; the older ones of the standard are deprecated."""

ANSWER = 10.0
"""Longest wait for an answer, [s]. Assumed."""

PROBE = 5.0
"""Interval at which a silent connection is tried, and the wait for its answer, [s]. Assumed: above
the longest pause of a loaded server."""

FAREWELL = 2.0
"""Longest wait for a server to answer a goodbye, [s]. Assumed."""


class LinkLost(RaffinateError):
    """The server does not answer; the connection is made again by itself."""

    exit_code = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How to get into a server.

    Attributes:
        endpoint: Address.
        pki: Folder of certificates.
        name: Of the program; names its own certificate.
        user: Log-in name; None for none.
        password: Its password.
        trust: Whose certificate is accepted; see `opcua_pki.trusted_fingerprints`.
        security: How the connection is protected.
    """

    endpoint: str
    pki: Path
    name: str
    user: str | None
    password: str | None
    trust: Path | str | None
    security: Security


async def open_link(door: Door) -> Client:
    """Connect and log in.

    Raises:
        LinkLost: No server answers.
        DataError: A certificate is out of its time, or not the one that is trusted.
        SpecificationError: The server refuses the user, or offers no security that is accepted.
    """
    client = Client(door.endpoint, timeout=ANSWER, watchdog_intervall=PROBE)
    client.name = client.description = f"raffinate {door.name}"
    client.product_uri = "urn:raffinate"
    client.session_timeout = 30_000
    if door.user is not None:
        client.set_user(door.user)
        client.set_password(door.password or "")
    try:
        if door.security == "sign_and_encrypt":
            await secure(client, door)
        await client.connect()
    except RaffinateError:
        raise
    except (OSError, TimeoutError, ua.UaError, ValueError) as error:
        raise _explained(error, door) from error
    return client


async def close_link(client: Client) -> None:
    """End a connection, whatever state it is in, and everything that asyncua started for it."""
    publishing = client.uaclient.session._publish_task
    with contextlib.suppress(Exception):
        async with asyncio.timeout(FAREWELL):
            await client.disconnect()
    client.uaclient.disconnect_socket()
    left = [
        task
        for task in (
            *(publishing, client.uaclient.session._publish_task),
            *(client._supervisor_task, client._stale_watchdog_task, client._renew_channel_task),
        )
        if task is not None
    ]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def secure(client: Client, door: Door) -> None:
    """Set up a client that is not connected with the certificates of both ends.

    Raises:
        DataError: A certificate is out of its time, or not the one that is trusted.
        SpecificationError: The server offers no security that is accepted.
    """
    own = identity(door.pki, door.name)
    asking = Client(door.endpoint, timeout=ANSWER)
    endpoints = await asking.connect_and_get_server_endpoints()
    policy, certificate = _chosen(endpoints, door)
    _check_server(certificate, endpoints, door)
    client.application_uri = own.application_uri
    await client.set_security(
        getattr(security_policies, f"SecurityPolicy{policy}"),
        CertProperties(own.der, "der"),
        CertProperties(own.key, "der"),
        server_certificate=CertProperties(certificate.public_bytes(Encoding.DER), "der"),
        mode=ua.MessageSecurityMode.SignAndEncrypt,
    )


def _chosen(endpoints: Sequence[Any], door: Door) -> tuple[str, x509.Certificate]:
    """Return the best policy the server offers, with its certificate."""
    for policy in POLICIES:
        uri = getattr(security_policies, f"SecurityPolicy{policy}").URI
        for each in endpoints:
            encrypted = each.SecurityMode == ua.MessageSecurityMode.SignAndEncrypt
            if encrypted and each.SecurityPolicyUri == uri and each.ServerCertificate:
                return policy, x509.load_der_x509_certificate(_first(each.ServerCertificate))
    offered = {f"{e.SecurityPolicyUri.rpartition('#')[2]} {e.SecurityMode.name}" for e in endpoints}
    raise SpecificationError(
        "the server offers no encryption that is safe by today's standards.",
        where=door.endpoint,
        allowed=f"{', '.join(POLICIES)} with SignAndEncrypt",
        mend=f"It offers {', '.join(sorted(offered)) or 'nothing'}. Change its settings.",
    )


def _first(chain: bytes) -> bytes:
    """Return the first certificate of a chain; its length stands after its tag (X.690)."""
    return chain[: int.from_bytes(chain[2:4], "big") + 4]


def _check_server(certificate: x509.Certificate, endpoints: Sequence[Any], door: Door) -> None:
    check_validity(certificate, door.endpoint)
    found = fingerprint(certificate)
    if found not in trusted_fingerprints(door.trust, door.pki, door.name):
        raise DataError(
            f"the server shows the certificate of {common_name(certificate)} with SHA-256 {found}, "
            "which is not trusted.",
            where=door.endpoint,
            allowed=str(door.trust) if door.trust is not None else f"those in {door.pki}",
            mend="If it is the right server, give this fingerprint or its certificate as trusted.",
        )
    uris = {each.Server.ApplicationUri for each in endpoints}
    if application_uri(certificate) not in uris:
        raise DataError(
            f"the certificate is that of {application_uri(certificate) or 'no application'}, "
            f"the server calls itself {', '.join(sorted(map(str, uris)))}.",
            where=door.endpoint,
        )


_OWN_CERTIFICATE = ("BadCertificate", "BadSecurityChecksFailed")
_USER = ("BadUserAccessDenied", "BadIdentityToken")


def _explained(error: Exception, door: Door) -> RaffinateError:
    """Return what went wrong as an error of the project."""
    text = str(error) or type(error).__name__
    status = type(error).__name__
    if isinstance(error, ua.UaStatusCodeError):
        status = ua.StatusCode(error.code).name
    if status.startswith(_USER):
        return SpecificationError(
            f"the server does not let in {door.user or 'a visitor without a name'}.",
            where=door.endpoint,
            mend="Check the name and the password.",
        )
    if status.startswith(_OWN_CERTIFICATE):
        own = door.pki / f"{door.name}.der"
        return DataError(
            f"the server refuses the certificate of this program: {status}.",
            where=str(own),
            mend=f"Let {door.endpoint} trust it, or make a new one if it has expired.",
        )
    return LinkLost(f"no connection: {text}.", where=door.endpoint)
