"""Sampled prompts at rest: AES-256-GCM under a key that comes from the pepper, which is never in the database.

A sealed text opens only for the tenant and the request that it was sealed for; moved to another row it is noise.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from router.accounts.pepper import Pepper

_NONCE = 12
"""Bytes; random, which is safe for some billions of texts under one key (NIST SP 800-38D, 8.3)."""


class Sealer:
    """Seals and opens texts."""

    def __init__(self, pepper: Pepper) -> None:
        """Under the pepper's own key for this."""
        self._cipher = AESGCM(pepper.sealing)

    def seal(self, tenant: str, request_id: str, words: str) -> bytes:
        """The nonce and the sealed text."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, words.encode("utf-8", "replace"), _beside(tenant, request_id))

    def unseal(self, tenant: str, request_id: str, sealed: bytes) -> str | None:
        """The text; None where it was changed, belongs to another row, or was sealed under another pepper."""
        try:
            words = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _beside(tenant, request_id))
        except (InvalidTag, ValueError):
            return None
        return words.decode()


def _beside(tenant: str, request_id: str) -> bytes:
    return f"{tenant}/{request_id}".encode()
