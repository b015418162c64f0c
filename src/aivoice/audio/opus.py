"""Opus straight from libopus, at 16 kHz mono.

FFmpeg's wrapper codes 48 kHz stereo only and reaches neither packet-loss concealment, in-band error correction nor
the encoder's controls; libopus itself decodes to 16 kHz directly and costs a quarter. The library comes inside the
PyAV wheel (BSD licence); a system libopus serves as well. Source of the constants: opus_defines.h, RFC 6716.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import sys
from pathlib import Path
from typing import Protocol

import av

from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE
from aivoice.errors import MissingModelError, ProviderError

CLOCK_RATE = 48_000
"""Hz of Opus RTP timestamps, whatever rate is coded (RFC 7587)."""
MAX_FRAME_SAMPLES = SAMPLE_RATE * 120 // 1000
MAX_PACKET_BYTES = 1_275

_APPLICATION_VOIP = 2048
_SET_BITRATE = 4002
_SET_VBR = 4006
_SET_COMPLEXITY = 4010
_SET_INBAND_FEC = 4012
_SET_PACKET_LOSS_PERC = 4014
_SET_DTX = 4016
_SET_SIGNAL = 4024
_SIGNAL_VOICE = 3001


def _candidates() -> list[str]:
    package = Path(av.__file__).parent
    # Wheels are repaired into av.libs (Linux) or av/.dylibs (macOS). PyAV has loaded the file already.
    found = [*sorted((package.parent / "av.libs").glob("libopus*")), *sorted((package / ".dylibs").glob("libopus*"))]
    system = ctypes.util.find_library("opus")
    return [str(path) for path in found] + ([system] if system else [])


@functools.cache
def _library() -> ctypes.CDLL:
    for name in _candidates():
        try:
            lib = ctypes.CDLL(name)
        except OSError:
            continue
        pointer, integer = ctypes.c_void_p, ctypes.c_int
        lib.opus_get_version_string.restype = ctypes.c_char_p
        lib.opus_encoder_create.argtypes = [ctypes.c_int32, integer, integer, ctypes.POINTER(integer)]
        lib.opus_encoder_create.restype = pointer
        # Variadic in C: on Apple silicon ctypes must know where the fixed arguments end.
        lib.opus_encoder_ctl.argtypes = [pointer, integer]
        lib.opus_encode.argtypes = [pointer, ctypes.c_char_p, integer, ctypes.c_char_p, ctypes.c_int32]
        lib.opus_encoder_destroy.argtypes = [pointer]
        lib.opus_decoder_create.argtypes = [ctypes.c_int32, integer, ctypes.POINTER(integer)]
        lib.opus_decoder_create.restype = pointer
        lib.opus_decode.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int32, ctypes.c_char_p, integer, integer]
        lib.opus_decoder_destroy.argtypes = [pointer]
        lib.opus_packet_get_nb_samples.argtypes = [ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32]
        if hasattr(lib, "opus_packet_has_lbrr"):  # libopus 1.5; older ones fall back to concealment inside opus_decode
            lib.opus_packet_has_lbrr.argtypes = [ctypes.c_char_p, ctypes.c_int32]
        return lib
    raise MissingModelError(
        f"libopus not found for {sys.platform}: install it (`apt-get install libopus0`, `brew install opus`)",
        code="opus_missing",
        stage="audio",
    )


def available() -> bool:
    """Whether Opus can be coded here (for `doctor`)."""
    try:
        _library()
    except MissingModelError:
        return False
    return True


def version() -> str:
    """libopus's own version text. Raises MissingModelError without it."""
    return _library().opus_get_version_string().decode()


class OpusEncoder:
    """One stream's encoder: 20 ms frames of 640 bytes in, one packet each out, 6.5 ms algorithmic delay.

    bitrate: bit/s. expected_loss: percent of packets the far side is thought to lose; above 0 every packet carries a
    coarse copy of the one before (in-band FEC), which a receiver uses when that was lost. complexity: 0…10 (CPU).
    """

    def __init__(self, *, bitrate: int = 28_000, expected_loss: int = 10, complexity: int = 5) -> None:
        self._lib = _library()
        error = ctypes.c_int()
        self._state = self._lib.opus_encoder_create(SAMPLE_RATE, 1, _APPLICATION_VOIP, ctypes.byref(error))
        if error.value or not self._state:
            raise ProviderError("Opus encoder could not be created", code="opus_failed", stage="audio")
        for request, value in (
            (_SET_BITRATE, bitrate),
            (_SET_VBR, 1),
            (_SET_COMPLEXITY, complexity),
            (_SET_INBAND_FEC, 1 if expected_loss else 0),
            (_SET_PACKET_LOSS_PERC, expected_loss),
            (_SET_DTX, 0),
            (_SET_SIGNAL, _SIGNAL_VOICE),
        ):
            self._lib.opus_encoder_ctl(self._state, request, ctypes.c_int(value))
        self._out = ctypes.create_string_buffer(MAX_PACKET_BYTES)

    def encode(self, frame: bytes) -> bytes:
        """One packet for one 20 ms frame. Raises ProviderError for another length."""
        if len(frame) != FRAME_BYTES:
            raise ProviderError("Opus wants frames of 640 bytes", code="opus_failed", stage="audio", retryable=False)
        size = self._lib.opus_encode(self._state, frame, FRAME_SAMPLES, self._out, MAX_PACKET_BYTES)
        if size < 0:
            raise ProviderError(f"Opus encoder failed (code {size})", code="opus_failed", stage="audio")
        return self._out.raw[:size]

    def __del__(self) -> None:
        state, self._state = getattr(self, "_state", None), None
        if state:
            self._lib.opus_encoder_destroy(state)


class FrameDecoder(Protocol):
    """What the jitter buffer asks of a codec. All audio is s16le mono at 16 kHz. No method raises.

    conceals: whether `conceal` works; otherwise the buffer uses its own means.
    """

    @property
    def conceals(self) -> bool: ...

    def samples(self, payload: bytes) -> int:
        """Length of the payload's audio in samples; 0 when it cannot be decoded."""
        ...

    def decode(self, payload: bytes) -> bytes:
        """The payload's audio; empty when it is damaged."""
        ...

    def recover(self, following: bytes, samples: int) -> bytes:
        """The audio before `following`, from the copy that packet carries; empty when it carries none."""
        ...

    def conceal(self, samples: int) -> bytes:
        """A plausible continuation of what was decoded last."""
        ...


class OpusDecoder:
    """One stream's decoder with libopus's own concealment and in-band error correction. Never raises on bad packets."""

    conceals = True

    def __init__(self) -> None:
        self._lib = _library()
        error = ctypes.c_int()
        self._state = self._lib.opus_decoder_create(SAMPLE_RATE, 1, ctypes.byref(error))
        if error.value or not self._state:
            raise ProviderError("Opus decoder could not be created", code="opus_failed", stage="audio")
        self._knows_lbrr = hasattr(self._lib, "opus_packet_has_lbrr")
        self._out = ctypes.create_string_buffer(MAX_FRAME_SAMPLES * 2)

    def samples(self, payload: bytes) -> int:
        count = self._lib.opus_packet_get_nb_samples(payload, len(payload), SAMPLE_RATE)
        return count if 0 < count <= MAX_FRAME_SAMPLES else 0

    def decode(self, payload: bytes) -> bytes:
        if not payload:
            return b""
        return self._run(payload, len(payload), MAX_FRAME_SAMPLES, 0)

    def recover(self, following: bytes, samples: int) -> bytes:
        if self._knows_lbrr and self._lib.opus_packet_has_lbrr(following, len(following)) != 1:
            return b""
        return self._run(following, len(following), samples, 1)

    def conceal(self, samples: int) -> bytes:
        return self._run(None, 0, samples, 0)

    def _run(self, payload: bytes | None, size: int, samples: int, fec: int) -> bytes:
        count = self._lib.opus_decode(self._state, payload, size, self._out, samples, fec)
        return self._out.raw[: count * 2] if count > 0 else b""

    def __del__(self) -> None:
        state, self._state = getattr(self, "_state", None), None
        if state:
            self._lib.opus_decoder_destroy(state)
