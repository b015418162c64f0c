"""What tools and deliveries need of the world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

Now = Callable[[], datetime]
"""The wall clock, with a zone. Tests steer it."""


class Sealer(Protocol):
    """Encryption bound to a tenant and a purpose (`aivoice.security`)."""

    def seal(self, tenant_id: str, purpose: str, data: bytes) -> bytes: ...

    def open(self, tenant_id: str, purpose: str, data: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Mail:
    """One plain-text e-mail. id: the same for every attempt; it becomes the Message-ID, so that a second copy is
    recognised by the receiver."""

    id: str
    to: str
    subject: str
    text: str


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Hand it to the mail server; returning means that the server has taken it. Raises DeliveryError."""
        ...


class TextMessages(Protocol):
    async def send(self, to: str, text: str, *, key: str) -> None:
        """Send an SMS. to: E.164. key: the same for every attempt. Raises DeliveryError."""
        ...
