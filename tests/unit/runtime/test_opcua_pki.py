"""Certificates: made for one program each, kept from others, and refused out of their time."""

from __future__ import annotations

import shutil
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from opcua_links import pki as pki
from raffinate.errors import DataError, SpecificationError
from raffinate.runtime.opcua_pki import (
    KEY_BITS,
    VALIDITY,
    check_validity,
    fingerprint,
    identity,
    load_identity,
    make_identity,
    trusted_clients,
    trusted_fingerprints,
)


def test_a_certificate_names_its_application_and_lasts_as_long_as_stated(pki):
    found = identity(pki, "plant")
    names = found.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert uri == found.application_uri
    assert uri.endswith(":raffinate:plant")
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert found.certificate.public_key().key_size == KEY_BITS
    left = found.certificate.not_valid_after_utc - datetime.now(UTC)
    assert VALIDITY - timedelta(days=1) < left <= VALIDITY


def test_the_key_is_its_owners_alone(pki):
    assert stat.S_IMODE((pki / "plant.pem").stat().st_mode) == 0o600


def test_an_identity_is_made_once_and_then_kept(pki):
    assert identity(pki, "client").der == identity(pki, "client").der


@pytest.mark.parametrize(
    ("begin", "end", "word"), [(-20, -10, "expired"), (10, 20, "not valid yet")]
)
def test_a_certificate_out_of_its_time_is_refused_by_name(tmp_path, begin, end, word):
    now = datetime.now(UTC)
    dates = [now + timedelta(days=days) for days in (begin, end)]
    made = make_identity(tmp_path, "twin", not_before=dates[0], not_after=dates[1])
    with pytest.raises(DataError, match=word) as caught:
        load_identity(tmp_path, "twin")
    assert caught.value.where == str(tmp_path / "twin.der")
    assert "raffinate twin" in caught.value.what
    inside = dates[0] + timedelta(days=1)
    check_validity(made.certificate, "here", inside)


def test_a_missing_key_is_told_with_the_files_to_delete(tmp_path, pki):
    shutil.copy(pki / "plant.der", tmp_path)
    with pytest.raises(DataError, match=r"plant\.der and plant\.pem"):
        identity(tmp_path, "plant")


@pytest.mark.parametrize("name", ["../twin", "", "a/b", ".hidden"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, name):
    with pytest.raises(SpecificationError):
        make_identity(tmp_path, name)


def test_what_lies_in_the_folder_is_trusted_but_not_oneself(pki):
    plant, client = (identity(pki, name).certificate for name in ("plant", "client"))
    found = trusted_fingerprints(None, pki, "client")
    assert fingerprint(plant) in found
    assert fingerprint(client) not in found


def test_a_server_is_trusted_by_file_or_by_fingerprint(pki):
    plant = fingerprint(identity(pki, "plant").certificate)
    spaced = ":".join(plant[i : i + 2] for i in range(0, 64, 2)).upper()
    for trust in (pki / "plant.der", plant, f"sha256:{plant}", spaced):
        assert trusted_fingerprints(trust, pki, "client") == {plant}
    with pytest.raises(DataError, match="cannot be read"):
        trusted_fingerprints("no-such-file.der", pki, "client")


def test_any_client_is_accepted_until_a_folder_lists_them(tmp_path, pki):
    for file in pki.glob("plant.*"):
        shutil.copy(file, tmp_path)
    assert trusted_clients(tmp_path) is None
    (tmp_path / "trusted").mkdir()
    assert trusted_clients(tmp_path) == {fingerprint(identity(pki, "plant").certificate)}
    shutil.copy(pki / "client.der", tmp_path / "trusted")
    found = trusted_clients(tmp_path)
    assert found is not None
    assert fingerprint(identity(pki, "client").certificate) in found
