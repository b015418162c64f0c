"""The codes by which adapters of network services tell why they failed; the same for every service.

unreachable: no connection (refused, no such host, TLS). bad_key: 401 or 403. rate_limited: 429 or "overloaded".
unavailable: 5xx. rejected: another 4xx: the service does not take what we ask (unknown model or voice, wrong option).
malformed: an answer that breaks the service's own schema. disconnected: the connection ended before the answer did.
timeout: nothing useful in time. Messages name the provider and what is wrong in a few words, never content or keys.
"""

from __future__ import annotations

from typing import Literal

from aivoice.errors import ProviderError

Stage = Literal["stt", "llm", "tts"]


def unreachable(provider: str, stage: Stage, error: BaseException) -> ProviderError:
    """From the exception of whatever could not connect; only its type is told."""
    return ProviderError(f"{provider} cannot be reached ({type(error).__name__})", code="unreachable", stage=stage)


def of_status(provider: str, stage: Stage, status: int) -> ProviderError:
    """From an HTTP status (or a WebSocket upgrade's)."""
    if status in (401, 403):
        return ProviderError(f"{provider} refused the key ({status})", code="bad_key", stage=stage, retryable=False)
    if status == 429 or status == 529:
        return ProviderError(f"{provider} has too many requests ({status})", code="rate_limited", stage=stage)
    if status >= 500:
        return ProviderError(f"{provider} is not well ({status})", code="unavailable", stage=stage)
    return ProviderError(f"{provider} rejected the request ({status})", code="rejected", stage=stage, retryable=False)


def malformed(provider: str, stage: Stage, what: str) -> ProviderError:
    """what: which part of the answer is not as the service's schema says, e.g. ``channel.alternatives``; no values."""
    return ProviderError(f"{provider} broke its schema: {what}", code="malformed", stage=stage)


def disconnected(provider: str, stage: Stage) -> ProviderError:
    return ProviderError(f"{provider} ended the connection early", code="disconnected", stage=stage)
