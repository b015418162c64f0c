"""G.711 mu-law and A-law, by table.

Source: ITU-T G.711 (11/88), tables 1a/1b (A-law, 13-bit) and 2a/2b (mu-law, 14-bit). PCM is s16le; the codecs see
its upper 13 or 14 bits, so encoding floors to that grid as the recommendation's uniform PCM interface does.
Byte in, byte out; a call costs one table look-up a sample.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aivoice.errors import InputError

RATE = 8_000
"""Hz, the only rate G.711 is defined for here."""


def _decode_table_ulaw() -> npt.NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    # y = ((33 + 2·step) << segment) − 33 on the 14-bit scale; two bits more to reach 16.
    magnitude = ((((code & 0x0F) << 1) + 33) << ((code >> 4) & 7)) - 33
    return (np.where(code & 0x80, -magnitude, magnitude) * 4).astype(np.int16)


def _encode_table_ulaw() -> npt.NDArray[np.uint8]:
    value = np.arange(65536, dtype=np.int32).astype(np.uint16).astype(np.int16).astype(np.int32) >> 2
    negative = value < 0
    # Decision values lie at 33·2^segment − 33; the last is 8159 (overload).
    biased = np.minimum(np.where(negative, -value, value), 8158) + 33
    segment = np.floor(np.log2(biased)).astype(np.int32) - 5
    step = (biased >> (segment + 1)) & 0x0F
    code = (segment << 4) | step | np.where(negative, 0x80, 0)
    return (~code & 0xFF).astype(np.uint8)


def _decode_table_alaw() -> npt.NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (code >> 4) & 7
    step = code & 0x0F
    # On the 13-bit scale (±4096): segment 0 is linear in steps of 2, later ones double.
    magnitude = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) * 8).astype(np.int16)


def _encode_table_alaw() -> npt.NDArray[np.uint8]:
    value = np.arange(65536, dtype=np.int32).astype(np.uint16).astype(np.int16).astype(np.int32) >> 3
    negative = value < 0
    # A-law has no zero: −1 is the first negative interval, hence the one's complement.
    magnitude = np.where(negative, ~value, value)
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    step = np.where(segment == 0, magnitude >> 1, magnitude >> np.maximum(segment, 1)) & 0x0F
    code = (segment << 4) | step | np.where(negative, 0, 0x80)
    return (code ^ 0x55).astype(np.uint8)


_ULAW_TO_PCM = _decode_table_ulaw()
_PCM_TO_ULAW = _encode_table_ulaw()
_ALAW_TO_PCM = _decode_table_alaw()
_PCM_TO_ALAW = _encode_table_alaw()


def _samples(pcm: bytes) -> npt.NDArray[np.uint16]:
    if len(pcm) % 2:
        raise InputError(
            "PCM has an odd number of bytes: pass whole 16-bit samples", code="pcm_odd_length", stage="audio"
        )
    return np.frombuffer(pcm, dtype="<u2")


def ulaw_encode(pcm: bytes) -> bytes:
    """s16le samples to mu-law, one byte a sample. Raises InputError for an odd byte count."""
    return _PCM_TO_ULAW[_samples(pcm)].tobytes()


def ulaw_decode(data: bytes) -> bytes:
    """mu-law bytes to s16le samples."""
    return _ULAW_TO_PCM[np.frombuffer(data, dtype=np.uint8)].astype("<i2", copy=False).tobytes()


def alaw_encode(pcm: bytes) -> bytes:
    """s16le samples to A-law, one byte a sample. Raises InputError for an odd byte count."""
    return _PCM_TO_ALAW[_samples(pcm)].tobytes()


def alaw_decode(data: bytes) -> bytes:
    """A-law bytes to s16le samples."""
    return _ALAW_TO_PCM[np.frombuffer(data, dtype=np.uint8)].astype("<i2", copy=False).tobytes()
