"""Signatures of what goes out, by Standard Webhooks (standardwebhooks.com): what a receiver needs to trust it.

Rotation: a message is signed with every secret that is active, newest first, the signatures separated by spaces. A
receiver that knows any one of them accepts it; so the old secret goes on for a while after the new one was made.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

SECRET_BYTES = 32
MAX_ACTIVE = 5


def new_secret() -> str:
    """``whsec_`` and 32 random bytes in base64: what a tenant is shown once."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(keys: Sequence[str], *, message_id: str, at: datetime, body: str) -> Mapping[str, str]:
    """``webhook-id``, ``webhook-timestamp`` (Unix seconds) and, with any keys, ``webhook-signature``.

    keys: active secrets as `new_secret` makes them; `MAX_ACTIVE` at most are used. at: with its zone. message_id: the
    same for every attempt of one message, so that a receiver drops the second copy.
    """
    stamp = int(at.timestamp())
    headers = {"webhook-id": message_id, "webhook-timestamp": str(stamp)}
    if keys:
        # The library reads a naive time, whatever its zone, as UTC.
        moment = datetime.fromtimestamp(stamp, at.tzinfo).astimezone(UTC)
        signatures = [Webhook(key).sign(message_id, moment, body) for key in keys[:MAX_ACTIVE]]
        headers["webhook-signature"] = " ".join(signatures)
    return headers
