"""The files of one call at rest: each under a key of its own, which is all that has to be deleted to erase it.

A file is ``AVC1``, then frames: 4 bytes of length (big-endian) and so many bytes of ciphertext with tag (AES-256-GCM).
The cipher's key is derived (HKDF-SHA256) from the file's key and its name; the nonce is the number of the frame; the
last frame is empty and bound to being the last. So a frame that was changed, moved, left out or taken from another file
does not open, and a file that was cut off says so. What was written before a crash still reads.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aivoice.security.errors import SealError
from aivoice.security.keyring import Sealer
from aivoice.store import NotFoundError, Scope

File = Literal["journal", "recording"]
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


def key_purpose(call_id: str, file: File) -> str:
    """What a file's key is sealed for."""
    return f"call {file} {call_id}"


async def new_call_keys(
    scope: Scope, sealer: Sealer, call_id: str, files: Iterable[File], now: datetime
) -> dict[File, bytes]:
    """A key for each of these files of a new call: kept sealed, in the transaction of `scope`. Each can be erased
    alone."""
    keys: dict[File, bytes] = {file: secrets.token_bytes(32) for file in files}
    await scope.many(
        "INSERT INTO call_keys (tenant_id, call_id, file, sealed, created_at) "
        "VALUES (%(tenant_id)s, %(call)s, %(file)s, %(sealed)s, %(now)s)",
        [
            {
                "call": call_id,
                "file": file,
                "sealed": sealer.seal(scope.tenant_id, key_purpose(call_id, file), key),
                "now": now,
            }
            for file, key in keys.items()
        ],
    )
    return keys


async def call_keys(scope: Scope, sealer: Sealer, call_id: str) -> dict[File, bytes]:
    """Those that are left. Raises NotFoundError where none is, SealError where the installation's key is gone."""
    rows = await scope.all(
        "SELECT file, sealed FROM call_keys WHERE tenant_id = %(tenant_id)s AND call_id = %(call)s", {"call": call_id}
    )
    if not rows:
        raise NotFoundError(
            "Nothing of this call can be read: it was erased, or there is no such call.", code="call_unknown"
        )
    files: tuple[File, ...] = ("journal", "recording")
    sealed = {row["file"]: bytes(row["sealed"]) for row in rows}
    return {
        file: sealer.open(scope.tenant_id, key_purpose(call_id, file), sealed[file]) for file in files if file in sealed
    }


async def erase_call_keys(scope: Scope, call_id: str) -> bool:
    """Nobody can hear or read the call's files any more, in no copy and no backup of them. False: it was done
    before."""
    return bool(
        await scope.run(
            "DELETE FROM call_keys WHERE tenant_id = %(tenant_id)s AND call_id = %(call)s", {"call": call_id}
        )
    )
