"""Callers' numbers and words at rest: found by a keyed hash, read with a key; both bound to the tenant."""

from __future__ import annotations

import hashlib
import hmac
import os
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aivoice.store.roles import Derive

_NONCE = 12


class Sealer(Protocol):
    """about: what the text belongs to (``call call_…``); it opens only under the same tenant and `about`."""

    def key(self, tenant_id: str, text: str) -> bytes:
        """32 bytes that are the same for the same text of the same tenant, and tell nothing without the key."""
        ...

    def seal(self, tenant_id: str, about: str, text: str) -> bytes: ...

    def open(self, tenant_id: str, about: str, sealed: bytes) -> str | None:
        """None where the key is gone (erased) or the bytes are not what was sealed here."""
        ...


class DerivedSealer:
    """`Sealer` by keys derived from the installation's (AES-256-GCM, HMAC-SHA256); nothing is stored."""

    def __init__(self, derive: Derive) -> None:
        self._derive = derive
        self._cipher = lru_cache(maxsize=1_024)(self._make_cipher)
        self._hash_key = lru_cache(maxsize=1_024)(self._make_hash_key)

    def key(self, tenant_id: str, text: str) -> bytes:
        return hmac.digest(self._hash_key(tenant_id), text.encode("utf-8", "surrogatepass"), "sha256")

    def seal(self, tenant_id: str, about: str, text: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher(tenant_id).encrypt(nonce, text.encode("utf-8", "replace"), about.encode())

    def open(self, tenant_id: str, about: str, sealed: bytes) -> str | None:
        try:
            data = self._cipher(tenant_id).decrypt(bytes(sealed[:_NONCE]), bytes(sealed[_NONCE:]), about.encode())
        except (InvalidTag, ValueError):
            return None
        return data.decode()

    def _make_cipher(self, tenant_id: str) -> AESGCM:
        return AESGCM(hashlib.sha256(self._derive(f"tenant {tenant_id} sealing")).digest())

    def _make_hash_key(self, tenant_id: str) -> bytes:
        return hashlib.sha256(self._derive(f"tenant {tenant_id} callers")).digest()


def call_about(call_id: str) -> str:
    """What the texts of one call are sealed about."""
    return f"call {call_id}"


CALLER = "caller"
"""What a caller's own number and summary are sealed about."""
