"""A client that shows a server an expired certificate, which the project's own client would not."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asyncua.client.client import Client
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.crypto.uacrypto import CertProperties
from cryptography.hazmat.primitives.serialization import Encoding

from raffinate.runtime.opcua_link import close_link
from raffinate.runtime.opcua_pki import load_certificate, make_identity
from raffinate.runtime.opcua_types import quieten, ua
from raffinate.runtime.run_directory import RunDirectory


def refused_certificate(run: RunDirectory) -> str:
    """Return the status with which the plant's server refuses an expired certificate."""
    return asyncio.run(_refused(run))


async def _refused(run: RunDirectory) -> str:
    quieten()
    past = datetime.now(UTC) - timedelta(days=1)
    with tempfile.TemporaryDirectory() as folder:
        own = make_identity(
            Path(folder), "late", not_before=past - timedelta(days=9), not_after=past
        )
    server = load_certificate(run.pki / "plant.der")
    client: Any = Client(run.settings.plant_endpoint, timeout=10.0)
    client.application_uri = own.application_uri
    client.set_user("supervisor")
    client.set_password(run.secrets()["supervisor"])
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        CertProperties(own.der, "der"),
        CertProperties(own.key, "der"),
        server_certificate=CertProperties(server.public_bytes(Encoding.DER), "der"),
        mode=ua.MessageSecurityMode.SignAndEncrypt,
    )
    try:
        await client.connect()
    except ua.UaStatusCodeError as error:
        name: str = ua.StatusCode(error.code).name
        return name
    except Exception as error:
        return repr(error)
    finally:
        await close_link(client)
    return "Good"
