"""Mail and text messages that go nowhere: for tests, demonstrations, and installations without a provider."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from aivoice.tools.errors import DeliveryError
from aivoice.tools.ports import Mail

MOST = 1_000


@dataclass(slots=True)
class MemoryMailer:
    """`ports.Mailer`. sent: the last `MOST`, one an id. failing: set it, and sending raises it."""

    sent: deque[Mail] = field(default_factory=lambda: deque[Mail](maxlen=MOST))
    failing: DeliveryError | None = None

    async def send(self, mail: Mail) -> None:
        if self.failing is not None:
            raise self.failing
        if all(each.id != mail.id for each in self.sent):
            self.sent.append(mail)


@dataclass(slots=True)
class MemoryTexts:
    """`ports.TextMessages`. sent: (to, text, key), the last `MOST`, one a key."""

    sent: deque[tuple[str, str, str]] = field(default_factory=lambda: deque[tuple[str, str, str]](maxlen=MOST))
    failing: DeliveryError | None = None

    async def send(self, to: str, text: str, *, key: str) -> None:
        if self.failing is not None:
            raise self.failing
        if all(each[2] != key for each in self.sent):
            self.sent.append((to, text, key))


class NoTexts:
    """`ports.TextMessages` of an installation without a provider: each goes to the dead-letter list, and says why."""

    async def send(self, to: str, text: str, *, key: str) -> None:
        raise DeliveryError("no provider of text messages is configured", code="sms_unavailable", permanent=True)


class NoMailer:
    """`ports.Mailer` of an installation without a mail server: each goes to the dead-letter list, and says why."""

    async def send(self, mail: Mail) -> None:
        raise DeliveryError("no mail server is configured", code="mail_unavailable", permanent=True)
