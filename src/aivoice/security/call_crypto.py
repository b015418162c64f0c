"""The files of one call at rest: under a key of the call's own, which is all that has to be deleted to erase them.

A file is ``AVC1``, then frames: 4 bytes of length (big-endian) and so many bytes of ciphertext with tag (AES-256-GCM).
The key of a file is derived (HKDF-SHA256) from the call's key and the file's name; the nonce is the number of the
frame,
the last frame is empty and bound to being the last. So a frame that was changed, moved, left out or taken from another
file does not open, and a file that was cut off says so. What was written before a crash still reads.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aivoice.security.errors import SealError
from aivoice.security.keyring import Sealer
from aivoice.store import NotFoundError, Scope

MAGIC: Final = b"AVC1"
MOST: Final = 64 * 1024
"""Bytes of plain text in a frame; more are several."""
_TAG: Final = 16
_MORE, _LAST = b"\0", b"\1"


class _Plain(Protocol):
    """Where the ciphertext goes: `engine.disk.AppendFile`."""

    def write(self, data: bytes) -> None: ...

    def sync(self) -> None: ...

    def close(self) -> None: ...


class SealedFile:
    """`engine.disk.AppendFile` that seals what is written to it. file: opened, empty; closed with this one."""

    def __init__(self, file: _Plain, key: bytes, name: str) -> None:
        self._file, self._aead, self._number = file, _aead(key, name), 0
        file.write(MAGIC)

    def write(self, data: bytes) -> None:
        """As whole frames: after it returns, a crash loses nothing of `data` that the disk has. Raises OSError."""
        view = memoryview(data)
        frames = [self._frame(bytes(view[at : at + MOST]), _MORE) for at in range(0, len(view), MOST)]
        self._file.write(b"".join(frames))

    def sync(self) -> None:
        self._file.sync()

    def close(self) -> None:
        try:
            self._file.write(self._frame(b"", _LAST))
        finally:
            self._file.close()

    def _frame(self, data: bytes, place: bytes) -> bytes:
        sealed = self._aead.encrypt(_nonce(self._number), data, place)
        self._number += 1
        return len(sealed).to_bytes(4, "big") + sealed


class OpenedFile:
    """Reads one back. complete: known after the last block: the file ends as it should."""

    def __init__(self, path: Path, key: bytes, name: str) -> None:
        self._path, self._aead = path, _aead(key, name)
        self.complete = False

    def blocks(self) -> Iterator[bytes]:
        """The plain text, in order. Blocking. Ends where a crash cut the file off.

        Raises SealError where it was changed, is another file or the key is another; NotFoundError where it is gone.
        """
        try:
            with self._path.open("rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    raise SealError("This is no sealed file of a call.")
                number = 0
                while len(head := file.read(4)) == 4:
                    size = int.from_bytes(head, "big")
                    sealed = file.read(size) if _TAG <= size <= MOST + _TAG else b""
                    if size > MOST + _TAG or size < _TAG:
                        raise SealError("A sealed file of a call is damaged.")
                    if len(sealed) < size:
                        return
                    block = self._opened(number, sealed)
                    if self.complete:
                        if file.read(1):
                            raise SealError("A sealed file of a call goes on behind its end.")
                        return
                    yield block
                    number += 1
        except FileNotFoundError:
            raise NotFoundError("This file of the call is not kept.", code="file_missing") from None

    def _opened(self, number: int, sealed: bytes) -> bytes:
        try:
            return self._aead.decrypt(_nonce(number), sealed, _MORE)
        except InvalidTag:
            pass
        try:
            block = self._aead.decrypt(_nonce(number), sealed, _LAST)
        except InvalidTag:
            raise SealError("A sealed file of a call was changed, or is not of this call.") from None
        self.complete = True
        return block


def _aead(key: bytes, name: str) -> AESGCM:
    return AESGCM(
        HKDF(algorithm=SHA256(), length=32, salt=None, info=b"aivoice call file 1\0" + name.encode()).derive(key)
    )


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


# ---------------------------------------------------------------- the keys


def _purpose(call_id: str) -> str:
    return f"call key {call_id}"


async def new_call_key(scope: Scope, sealer: Sealer, call_id: str, now: datetime) -> bytes:
    """A key for the files of a new call: kept sealed, in the transaction of `scope`."""
    key = secrets.token_bytes(32)
    await scope.run(
        "INSERT INTO call_keys (tenant_id, call_id, sealed, created_at) "
        "VALUES (%(tenant_id)s, %(call)s, %(sealed)s, %(now)s)",
        {"call": call_id, "sealed": sealer.seal(scope.tenant_id, _purpose(call_id), key), "now": now},
    )
    return key


async def call_key(scope: Scope, sealer: Sealer, call_id: str) -> bytes:
    """Raises NotFoundError where the call is unknown or erased, SealError where the installation's key is gone."""
    sealed = await scope.value(
        "SELECT sealed FROM call_keys WHERE tenant_id = %(tenant_id)s AND call_id = %(call)s", {"call": call_id}
    )
    if sealed is None:
        raise NotFoundError(
            "Nothing of this call can be read: it was erased, or there is no such call.", code="call_unknown"
        )
    return sealer.open(scope.tenant_id, _purpose(call_id), bytes(sealed))


async def erase_call_key(scope: Scope, call_id: str) -> bool:
    """Nobody can hear or read the call's files any more, in no copy and no backup of them. False: it was done
    before."""
    return bool(
        await scope.run(
            "DELETE FROM call_keys WHERE tenant_id = %(tenant_id)s AND call_id = %(call)s", {"call": call_id}
        )
    )


def remove_file(path: Path) -> None:
    """What nobody can read needs no room. One that is gone is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
