"""Frames between a call process and the inference process. Sans-IO: bytes in, frames out, and back.

A frame is a 12-byte header, a JSON object and raw bytes (audio, vectors):

    u8 kind · u8 version · u16 length of the JSON · u32 request id · u32 length of the bytes      (big-endian)

Nothing is ever unpickled or evaluated; lengths are bounded, so that a broken peer costs one connection, not the memory.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, cast

from aivoice.errors import ProviderError

VERSION = 2
HEADER = struct.Struct("!BBHII")
MAX_META = 0xFFFF
MAX_BLOB = 16 << 20
"""Bytes; 30 s of 16 kHz s16le audio are 0.96 MB, the longest clause far less."""


class Kind(IntEnum):
    """To the server: REQUEST, CANCEL, PROMOTE, PING. From it: PROGRESS, READY, FAILED, PONG, then PART, DONE or ERROR a
    request."""

    REQUEST = 1
    CANCEL = 2
    PROMOTE = 3
    PART = 4
    DONE = 5
    ERROR = 6
    PROGRESS = 7
    READY = 8
    FAILED = 9
    PING = 10
    PONG = 11


@dataclass(frozen=True, slots=True)
class WireFrame:
    """meta: JSON object. blob: raw bytes. id: the request it belongs to, 0 where it belongs to none."""

    kind: Kind
    id: int
    meta: dict[str, Any] = field(default_factory=dict[str, Any])
    blob: bytes = b""


class WireError(ProviderError):
    """The peer sent what is not a frame; the connection is useless from here on."""

    code, stage = "inference_protocol", "inference"


def encode(frame: WireFrame) -> bytes:
    """The frame's bytes. WireError if it is longer than a peer would accept."""
    text = json.dumps(frame.meta, separators=(",", ":"), ensure_ascii=False)  # escapes would treble other scripts
    meta = text.encode("utf-8", "surrogatepass")  # as json.loads decodes it
    if len(meta) > MAX_META or len(frame.blob) > MAX_BLOB:
        raise WireError(f"inference frame of {len(meta)} + {len(frame.blob)} bytes is over the protocol's limit")
    return HEADER.pack(frame.kind, VERSION, len(meta), frame.id, len(frame.blob)) + meta + frame.blob


class Decoder:
    """Bytes in any pieces → whole frames. Holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[WireFrame]:
        """Frames completed by `data`, in order. WireError on the first malformed one; do not feed after that."""
        self._buffer += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> WireFrame | None:
        if len(self._buffer) < HEADER.size:
            return None
        kind, version, meta_size, request, blob_size = HEADER.unpack_from(self._buffer)
        if version != VERSION or kind not in Kind.__members__.values() or blob_size > MAX_BLOB:
            raise WireError("not an inference frame: the two processes are of different releases, or data was lost")
        end = HEADER.size + meta_size + blob_size
        if len(self._buffer) < end:
            return None
        blob_at = HEADER.size + meta_size
        try:
            meta: Any = json.loads(self._buffer[HEADER.size : blob_at])
        except ValueError as error:
            raise WireError("malformed JSON in an inference frame") from error
        if not isinstance(meta, dict):
            raise WireError("an inference frame's JSON is not an object")
        blob = bytes(self._buffer[blob_at:end])
        del self._buffer[:end]
        return WireFrame(Kind(kind), request, cast(dict[str, Any], meta), blob)
