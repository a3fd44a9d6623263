"""What a kubeconfig's token or certificate tells of its end."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cluster.kube.expiry import Credentials, expired

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def token(**claims: object) -> str:
    """A JSON web token with a signature that nobody checks."""
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.sig"


def certificate(end: datetime) -> tuple[str, str]:
    """A certificate that is good until then, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ann")])
    begun = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = begun.serial_number(1).not_valid_before(end - timedelta(days=365)).not_valid_after(end)
    whole = dated.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return whole.decode(), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_an_expired_token_tells_when() -> None:
    """From its own claims."""
    assert expired(Credentials(token(exp=NOW.timestamp() - 60)), NOW) == "its token expired on 2026-06-01 11:59 UTC"


def test_an_expired_certificate_tells_when() -> None:
    """As the API server would have judged it."""
    found = expired(Credentials(certificate=certificate(NOW - timedelta(hours=2))[0]), NOW)
    assert found == "its certificate expired on 2026-06-01 10:00 UTC"


@pytest.mark.parametrize(
    "credentials",
    [
        Credentials(),
        Credentials("opaque"),
        Credentials(token()),
        Credentials("a.!!!.c"),
        Credentials(token(exp=NOW.timestamp() + 60)),
        Credentials(certificate=certificate(NOW + timedelta(days=1))[0]),
        Credentials(certificate="no PEM"),
    ],
    ids=["none", "opaque", "no end", "broken", "good token", "good certificate", "broken certificate"],
)
def test_nothing_is_claimed_of_what_does_not_tell(credentials: Credentials) -> None:
    """Opaque, unreadable or still good."""
    assert expired(credentials, NOW) == ""


def test_a_token_is_never_shown() -> None:
    """Not in a log of the object either."""
    assert "opaque" not in repr(Credentials("opaque"))
