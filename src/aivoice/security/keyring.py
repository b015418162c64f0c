"""The installation's keys, and what is encrypted with them.

Keys come from AIVOICE_KEYS (``id:base64,id:base64``; the first one encrypts, all decrypt) or from ``keys.json`` in the
data folder, made on the first run. Beside them stands the root, which is never rotated: what must stay the same after a
rotation (`Keyring.derive`: passwords of database roles, the pepper of API keys) comes from it. In AIVOICE_KEYS it has
the id ``root``; where none is named, the last key is the root too, so the last key must stay last.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aivoice.security.errors import KeysError, SealError

ENVIRONMENT: Final = "AIVOICE_KEYS"
FILE: Final = "keys.json"
KEY_BYTES: Final = 32
ROOT: Final = "root"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_VERSION: Final = 1
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Keyring:
    """keys: id → 32 bytes, the current one first. root: what `derive` starts from. Never shown, never logged."""

    keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    root: bytes = field(repr=False)

    def __post_init__(self) -> None:
        ids = [key_id for key_id, _ in self.keys]
        if not ids or len(set(ids)) != len(ids) or not all(_ID.fullmatch(key_id) and key_id != ROOT for key_id in ids):
            raise KeysError("Keys need ids of their own: lower-case letters, digits and -, at most 31.")
        if any(len(key) != KEY_BYTES for key in (self.root, *(key for _, key in self.keys))):
            raise KeysError(f"Every key is {KEY_BYTES} bytes in base64.")

    @classmethod
    def new(cls) -> Self:
        """Fresh keys, of which nothing is kept anywhere."""
        return cls(((_new_key_id(), secrets.token_bytes(KEY_BYTES)),), secrets.token_bytes(KEY_BYTES))

    @classmethod
    def load(cls, data_folder: Path, environment: Mapping[str, str] | None = None) -> Self:
        """From AIVOICE_KEYS where it is set, else from the folder's file, which is made (mode 0600) where it is
        missing.

        Processes that start at once all read the one that won. Blocking, milliseconds. Raises KeysError.
        """
        given = (os.environ if environment is None else environment).get(ENVIRONMENT, "").strip()
        if given:
            return cls.from_text(given)
        path = data_folder / FILE
        try:
            data_folder.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                cls.new()._write(path, replace=False)
            return cls._from_json(path.read_text(encoding="utf-8"), path)
        except OSError as error:
            raise KeysError(
                f"{path}: {error.strerror or 'cannot be used'}; give a folder that this user may write, "
                f"or the keys in {ENVIRONMENT}."
            ) from None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """``id:base64,id:base64`` (`to_text` writes it). Raises KeysError, which never quotes it."""
        keys = [_parsed(part.strip()) for part in text.split(",") if part.strip()]
        roots = [key for key_id, key in keys if key_id == ROOT]
        rest = tuple((key_id, key) for key_id, key in keys if key_id != ROOT)
        if len(roots) > 1 or not rest:
            raise KeysError(f"{ENVIRONMENT} needs at least one key as id:base64, and at most one named {ROOT}.")
        return cls(rest, roots[0] if roots else rest[-1][1])

    def to_text(self) -> str:
        """For AIVOICE_KEYS: a secret."""
        return ",".join(f"{key_id}:{_b64(key)}" for key_id, key in (*self.keys, (ROOT, self.root)))

    def rotated(self) -> Self:
        """The same with a new current key. What was sealed before still opens, until `without` its key."""
        return type(self)(((_new_key_id(), secrets.token_bytes(KEY_BYTES)), *self.keys), self.root)

    def without(self, key_id: str) -> Self:
        """Forget a key that is not the current one, once everything is resealed. Raises KeysError."""
        if key_id not in dict(self.keys[1:]):
            raise KeysError("Only an older key that is there can be removed.")
        return type(self)(tuple(pair for pair in self.keys if pair[0] != key_id), self.root)

    def save(self, data_folder: Path) -> None:
        """Replace the folder's file in one step, so that a crash leaves either the old or the new. Raises KeysError."""
        try:
            self._write(data_folder / FILE, replace=True)
        except OSError as error:
            raise KeysError(f"{data_folder / FILE}: {error.strerror or 'cannot be written'}") from None

    @property
    def current_id(self) -> str:
        return self.keys[0][0]

    def derive(self, purpose: str) -> bytes:
        """32 bytes for a purpose: always the same for this installation, after a rotation too (from the root)."""
        return _hkdf(self.root, b"aivoice derive 1\0" + purpose.encode())

    def key(self, key_id: str) -> bytes:
        """Raises SealError for a key that is not here (any more)."""
        for known, key in self.keys:
            if known == key_id:
                return key
        raise SealError("The key that this was sealed with is not among the installation's keys.", code="key_unknown")

    @classmethod
    def _from_json(cls, text: str, path: Path) -> Self:
        try:
            value = json.loads(text)
            pairs = cast("list[dict[str, Any]]", value["keys"])
            keys = tuple((str(pair["id"]), _bytes(str(pair["key"]))) for pair in pairs)
            root = _bytes(str(value[ROOT]))
        except (ValueError, KeyError, TypeError):
            raise KeysError(
                f"{path}: not a file of keys; restore it from a backup (nothing opens without it)."
            ) from None
        return cls(keys, root)

    def _write(self, path: Path, *, replace: bool) -> None:
        keys = [{"id": key_id, "key": _b64(key)} for key_id, key in self.keys]
        text = json.dumps({"version": _VERSION, ROOT: _b64(self.root), "keys": keys}, indent=1)
        beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                os.replace(beside, path)
            else:
                try:
                    os.link(beside, path)  # unlike replace, it fails where another process came first
                except FileExistsError:
                    pass
        finally:
            beside.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Sealer:
    """Encrypts for one tenant and one purpose: nothing else opens it (AES-256-GCM, a key for each tenant and purpose).

    Sealed: version, key id (both in the clear and authenticated), nonce, ciphertext, tag. 2³² seals a tenant, purpose
    and key are safe. `purpose` names the place too where rows could be swapped: ``"tool secret doc_1"``.
    """

    keyring: Keyring

    def seal(self, tenant_id: str, purpose: str, data: bytes) -> bytes:
        """Under the current key."""
        head = header(self.keyring.current_id)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        aead = _aead(self.keyring.keys[0][1], tenant_id, purpose)
        return head + nonce + aead.encrypt(nonce, data, _bound(head, tenant_id, purpose))

    def open(self, tenant_id: str, purpose: str, data: bytes) -> bytes:
        """data: sealed. Raises SealError: changed, cut off, sealed for another tenant or purpose, or with a key that
        is gone."""
        head, key_id = _head(data)
        nonce, rest = data[len(head) : len(head) + _NONCE_BYTES], data[len(head) + _NONCE_BYTES :]
        if len(rest) < _TAG_BYTES:
            raise SealError("What was sealed is cut off.")
        aead = _aead(self.keyring.key(key_id), tenant_id, purpose)
        try:
            return aead.decrypt(nonce, rest, _bound(head, tenant_id, purpose))
        except InvalidTag:
            raise SealError("What was sealed does not open for this tenant and purpose.") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether it is sealed with the current key. Raises SealError where it is nothing sealed."""
        return _head(sealed)[1] == self.keyring.current_id

    def reseal(self, tenant_id: str, purpose: str, sealed: bytes) -> bytes:
        """The same under the current key; `sealed` itself where it already is. Raises SealError."""
        if self.is_current(sealed):
            return sealed
        return self.seal(tenant_id, purpose, self.open(tenant_id, purpose, sealed))


def header(key_id: str) -> bytes:
    """How everything begins that is sealed with this key."""
    return bytes((_VERSION, len(key_id))) + key_id.encode()


def _head(sealed: bytes) -> tuple[bytes, str]:
    if len(sealed) < 2 or sealed[0] != _VERSION or len(sealed) < 2 + sealed[1]:
        raise SealError("Not something that this release sealed.")
    head = sealed[: 2 + sealed[1]]
    return head, head[2:].decode("ascii", errors="replace")


def _bound(head: bytes, tenant_id: str, purpose: str) -> bytes:
    """Unambiguous: the tenant's length is in it, so that no other split of the two gives the same bytes."""
    tenant = tenant_id.encode()
    return head + len(tenant).to_bytes(4, "big") + tenant + purpose.encode()


@lru_cache(maxsize=4_096)
def _aead(key: bytes, tenant_id: str, purpose: str) -> AESGCM:
    return AESGCM(_hkdf(key, _bound(b"aivoice seal 1\0", tenant_id, purpose)))


def _hkdf(key: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(key)


def _new_key_id() -> str:
    return f"k{secrets.token_hex(4)}"


def _parsed(part: str) -> tuple[str, bytes]:
    key_id, colon, key = part.partition(":")
    if not colon:
        raise KeysError(f"{ENVIRONMENT} is id:base64, separated by commas.")
    try:
        return key_id, _bytes(key)
    except ValueError:
        raise KeysError(f"{ENVIRONMENT}: a key is not base64.") from None


def _bytes(text: str) -> bytes:
    """Base64 of either alphabet, padded or not. Raises ValueError."""
    text = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _b64(key: bytes) -> str:
    return base64.b64encode(key).decode()
