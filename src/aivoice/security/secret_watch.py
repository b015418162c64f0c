"""Notices when a caller is about to give a secret, so that nothing of it is kept: neither words nor sound. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aivoice.security.redact import KINDS, holds_number, masked, redact

_NAMES = {
    "card": r"card number|card details|(?:credit|debit|bank) card|number on (?:the|your) card|visa|mastercard|amex",
    "cvv": r"cvv|cvc|security code|three digits on the back|card code",
    "ssn": r"social security|ssn",
}
_SAID_BY_CALLER = re.compile(
    r"\b(?:my|the) (?:card|credit card|debit card|visa|mastercard|amex|social)\b", re.IGNORECASE
)
PARTS = 4
"""Turns of the caller after which a secret that was asked for is given up, in case nobody said so."""


class SecretWatch:
    """One call's. Tell it what happens, in order; it says whether a secret is being collected, and gives texts as they
    may be kept.

    While one is, every digit and number word goes, so that a card read in pieces leaves none of them. It begins when
    either side names such a secret, and ends when the agent has gone on to something else after numbers were given.
    """

    def __init__(self, kinds: Iterable[str] = KINDS) -> None:
        self._kinds = tuple(kinds)
        names = "|".join(_NAMES[kind] for kind in self._kinds)
        self._named = re.compile(rf"\b(?:{names})\b", re.IGNORECASE) if names else None
        self._turns = 0
        self._given = False
        self.collecting = False

    def agent_prepares(self, text: str) -> str:
        """Text that the agent may be about to say: a question for a secret begins the collecting."""
        if self._named is not None and self._named.search(text) and _asks(text):
            self._begin()
        return self.text(text)

    def agent_said(self, text: str) -> str:
        """What the caller heard of it: something else than such a question ends it, once numbers were given."""
        kept = self.text(text)
        asked = self._named is not None and self._named.search(text) and _asks(text)
        if self._given and len(text.split()) > 2 and not asked:
            self.collecting = False
        return kept

    def caller(self, text: str) -> str:
        """What the caller says, an interim or a final."""
        if self._named is not None and not self.collecting:
            named = self._named.search(text) or _SAID_BY_CALLER.search(text)
            if (named and holds_number(text[named.end() :])) or redact(text, self._kinds) != text:
                self._begin()
        if self.collecting:
            self._given = self._given or holds_number(text)
        return self.text(text)

    def turn_ended(self) -> None:
        """The caller's turn was decided."""
        self._turns += 1
        if self._turns >= PARTS:
            self.collecting = False

    def text(self, text: str) -> str:
        """Any other text of the call: a tool's arguments, a prompt."""
        return masked(text) if self.collecting else redact(text, self._kinds)

    def _begin(self) -> None:
        self.collecting, self._given, self._turns = True, False, 0


def _asks(text: str) -> bool:
    """A question or a request, not a remark about cards ("we take every credit card")."""
    return (
        re.search(r"\?|\b(?:please|tell me|give me|read|may i have|what is|what's|i need|i'll need)\b", text.lower())
        is not None
    )
