"""An error as RFC 9457 problem+json, whatever serves it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """An answer that is an error. detail: one sentence for a person: what is wrong and what to do."""

    def __init__(
        self, status: int, detail: str, *, code: str, title: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.title = title or HTTPStatus(status).phrase
        self.headers = dict(headers or {})

    def body(self, instance: str) -> dict[str, Any]:
        """instance: the path that was asked for."""
        return {
            "type": f"urn:aivoice:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
        }
