"""Every error the package raises on purpose.

Guarantee: `str(error)` is one line, safe to log (no caller content, no secret), and says what went wrong,
where, and what to do. The CLI prints it and exits with 2; the HTTP API turns it into problem+json.
"""

from __future__ import annotations


class VoiceError(Exception):
    """Base of all expected failures.

    code: stable machine-readable name, snake_case (``business_file_invalid``).
    stage: the part that failed (``stt``, ``llm``, ``tts``, ``vad``, ``transport``, ``business``, ``cli`` …).
    retryable: the same call may succeed if tried again unchanged.
    status: the HTTP status an API answers with.
    """

    code = "error"
    stage = "engine"
    retryable = False
    status = 500

    def __init__(
        self, message: str, *, code: str | None = None, stage: str | None = None, retryable: bool | None = None
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.stage = stage or type(self).stage
        self.retryable = type(self).retryable if retryable is None else retryable


class InputError(VoiceError):
    """Something a person handed in is wrong: a file, an option, an SDP, a request."""

    code, stage, status = "bad_input", "input", 400


class ProviderError(VoiceError):
    """A provider failed; the cascade tries the next one when `retryable` or not alike."""

    code, stage, status = "provider_failed", "provider", 502
    retryable = True


class CapacityError(VoiceError):
    """No free call slot: the call is refused, never degraded."""

    code, stage, status = "at_capacity", "engine", 503
    retryable = True


class MissingModelError(VoiceError):
    """A model's package or file is not installed; the message names it and the command that installs it."""

    code, stage, status = "model_missing", "provider", 500
