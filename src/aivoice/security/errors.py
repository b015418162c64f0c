"""What security refuses. No message says which part of a proof was wrong, and none holds a secret."""

from __future__ import annotations

from aivoice.errors import InputError, VoiceError


class KeysError(InputError):
    """The installation's keys cannot be used: missing, unreadable, malformed."""

    code, stage, status = "keys_invalid", "security", 500


class SealError(VoiceError):
    """What was sealed does not open: another tenant's, another purpose's, changed, cut off, or its key is gone."""

    code, stage, status = "seal_broken", "security", 500


class UnauthenticatedError(VoiceError):
    """Nobody that we know. The same words whatever was wrong."""

    code, stage, status = "unauthenticated", "security", 401


class ForbiddenError(VoiceError):
    """Known, and not allowed to do this to its own tenant's things (of another tenant's: NotFoundError)."""

    code, stage, status = "forbidden", "security", 403


class RateLimitedError(VoiceError):
    """Too often. `retry_after_s`: seconds after which it is worth trying again."""

    code, stage, status = "rate_limited", "security", 429
    retryable = True

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
