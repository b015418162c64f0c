"""Notices when a caller is about to give a secret, so that nothing of it is kept: neither words nor sound. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import Final

from aivoice.security.redact import (
    KINDS,
    LONGEST,
    SHORTEST,
    Number,
    holds_number,
    luhn,
    masked,
    numbers,
    redact,
    without,
)

_NAMES = {
    "card": r"card number|card details|(?:credit|debit|bank) card|number on (?:the|your) card|visa|mastercard|amex",
    "cvv": r"cvv|cvc|security code|three digits on the back|card code",
    "ssn": r"social security|ssn",
}
_SAID_BY_CALLER = re.compile(
    r"\b(?:my|the) (?:card|credit card|debit card|visa|mastercard|amex|social)\b", re.IGNORECASE
)
_ASKED = re.compile(r"\?|\b(?:please|tell me|give me|read|may i have|what is|what's|i need|i'll need)\b", re.IGNORECASE)
_ISSUED = re.compile(r"3[0-9]{14}|[2-6][0-9]{15}")
"""What cards begin with, at the lengths that nearly all of them have."""
PARTS: Final = 4
"""Turns of the caller after which a secret that was asked for is given up, in case nobody said so."""
UNNAMED: Final = 12
"""So many digits in a row are collected as a card that nobody named: the longest phone number without + has eleven."""
KEYS: Final = 4
"""So many keys in a row are."""
_REMEMBERED, _SHORTEST = 20, 4


class SecretWatch:
    """One call's. Tell it what happens, in order; it says whether a secret is being collected, and gives texts as they
    may be kept.

    While one is, every digit and number word goes, so that a card read in pieces leaves none of them. It begins when
    either side names such a secret, when one is recognised, also in pieces, and at many digits or keys in a row. It
    ends when the agent has gone on to something else after numbers were given. A number that was collected is masked
    afterwards too, whoever says it again. Until a card that nobody named is recognised, at most eleven digits of it
    were kept.
    """

    def __init__(self, kinds: Iterable[str] = KINDS) -> None:
        self._kinds = tuple(kinds)
        names = "|".join(_NAMES[kind] for kind in self._kinds)
        self._named = re.compile(rf"\b(?:{names})\b", re.IGNORECASE) if names else None
        self._cards = "card" in self._kinds
        self._turns = 0
        self._given = False
        self._tail = ""
        self._interrupted = False
        self._keys = 0
        self._collected: deque[str] = deque(maxlen=_REMEMBERED)
        self.collecting = False

    def agent_prepares(self, text: str) -> str:
        """Text that the agent may be about to say: a question for a secret begins the collecting."""
        if self._asks(text):
            self._begin()
        return self.text(text)

    def agent_said(self, text: str) -> str:
        """What the caller heard of it: something else than such a question ends it, once numbers were given."""
        kept = self.text(text)
        if text.strip():
            self._interrupted, self._keys = True, 0
        if self._given and len(text.split()) > 2 and not self._asks(text):
            self.collecting = False
        return kept

    def caller(self, text: str, *, final: bool = True) -> str:
        """What the caller says. final: nothing of it changes any more; else the whole of what was said since the last
        final, which the next one replaces."""
        found = numbers(text)
        if self._named is not None and not self.collecting and (self._names(text) or self._recognised(text, found)):
            self._begin()
        if self.collecting:
            self._given = self._given or bool(found)
            self._remember([self._tail, *(number.digits for number in found)])
        if final:
            self._follow(found)
        return self.text(text)

    def key(self, key: str) -> str:
        """The caller pressed a key."""
        self._keys += 1
        if self._cards and self._keys >= KEYS:
            if not self.collecting:
                self._begin()
            self._given = True
        return self.text(key)

    def turn_ended(self) -> None:
        """The caller's turn was decided."""
        self._turns += 1
        if self._turns >= PARTS:
            self.collecting = False

    def text(self, text: str) -> str:
        """Any other text of the call: a tool's arguments, a prompt."""
        return masked(text) if self.collecting else redact(self.again(text), self._kinds)

    def again(self, text: str) -> str:
        """A text of before, without what was collected since: the pieces of a card that nobody knew to be one."""
        if not self._collected:
            return text
        return without(text, (number for number in numbers(text) if self._is_known(number.digits)))

    def _asks(self, text: str) -> bool:
        """A question or a request, not a remark about cards ("we take every credit card")."""
        return self._named is not None and bool(self._named.search(text)) and bool(_ASKED.search(text))

    def _names(self, text: str) -> bool:
        assert self._named is not None
        named = self._named.search(text) or _SAID_BY_CALLER.search(text)
        return named is not None and holds_number(text[named.end() :])

    def _recognised(self, text: str, found: list[Number]) -> bool:
        if redact(text, self._kinds) != text:
            return True
        if not self._cards or not found:
            return False
        if any(len(number.digits) >= UNNAMED and not number.phone for number in found):
            return True
        if not self._tail or not found[0].begins:
            return False
        joined = self._tail + found[0].digits
        if not self._interrupted:
            return len(joined) >= UNNAMED
        # The agent spoke between the two: two numbers more likely than one, unless together they are a card.
        return SHORTEST <= len(joined) <= LONGEST and luhn(joined) and _ISSUED.fullmatch(joined) is not None

    def _follow(self, found: list[Number]) -> None:
        """Keep what the caller's number was when they paused in it."""
        last = found[-1] if found else None
        goes_on = last is not None and last.begins and bool(self._tail)
        if last is None or not last.ends or (last.phone and not goes_on):
            self._tail, self._interrupted = "", False
        elif goes_on:
            self._tail = (self._tail + last.digits)[-LONGEST:]
        else:
            self._tail, self._interrupted = last.digits[-LONGEST:], False

    def _remember(self, found: list[str]) -> None:
        for digits in found:
            if len(digits) < _SHORTEST:
                continue
            if self._collected and digits.startswith(self._collected[-1]):
                self._collected.pop()  # the same one, of which more was heard
            if digits not in self._collected:
                self._collected.append(digits)

    def _is_known(self, digits: str) -> bool:
        return len(digits) >= _SHORTEST and any(digits in known or known in digits for known in self._collected)

    def _begin(self) -> None:
        self.collecting, self._given, self._turns = True, False, 0
