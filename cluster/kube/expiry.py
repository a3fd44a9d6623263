"""Whether what a kubeconfig proves its user with has expired: an API server only says that it does not know them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token, or a certificate; either may be empty."""

    token: str = field(default="", repr=False)
    certificate: str = ""
    """PEM; the key is not needed."""


def expired(credentials: Credentials, now: datetime | None = None) -> str:
    """What has expired, and when; empty where nothing has, or nothing can be told."""
    moment = now or datetime.now(UTC)
    ends = {"its token": _token_end(credentials.token), "its certificate": _certificate_end(credentials.certificate)}
    past = [f"{what} expired on {end:%Y-%m-%d %H:%M} UTC" for what, end in ends.items() if end and end < moment]
    return ", ".join(past)


def _token_end(token: str) -> datetime | None:
    """A JSON web token's ``exp``; other tokens do not tell."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (IndexError, ValueError, KeyError, TypeError):
        return None


def _certificate_end(pem: str) -> datetime | None:
    try:
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc if pem else None
    except ValueError:
        return None
