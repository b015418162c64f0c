"""When has the caller finished? Text completeness, what was asked, and this caller's own pauses set the wait.

No timer is fixed: `classify` says how finished the words sound, `PauseModel` how long this caller pauses in
mid-turn, `wait_ms` combines them with the optional end-of-turn score. All pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aivoice.core import lexicon
from aivoice.core.config import Endpointing
from aivoice.core.text import words

Completeness = Literal["closed", "open", "stated", "loose", "dangling", "spelling"]

_SHORT_ANSWER = 6
_SHORT_CLOSER = 4
_QUESTION = 4
_NAMED = {"my": 4, "this": 3, "it's": 2, "i'm": 2}
"""Words of "my name is Ana", "this is Ana", "it's Ana"."""
_KNOWN_CALLER = 4
"""Pauses after which a caller's own pace is trusted."""
_GOES_ON = 0.2
"""Share of whole sentences gone on from, beyond which a caller's whole sentences are no ends either."""
_PHONE_DIGITS = 10
_LOCAL_DIGITS = 7
_LAST_GROUP = 4
"""Digits of a phone number without its area code, and of the group that ends one where it is written in groups."""
_CARD_DIGITS = 15
_ADDRESS_PART = 4
"""Words within which a "dot" or an "underscore" makes the end of a text a part of an address."""
GIVEN = ("phone", "card", "email", "spelling")
"""Expectations that only something given piece by piece answers."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the agent's last sentence asked for: it tells a finished answer from an unfinished one."""

    kind: Literal["none", "yes_no", "phone", "email", "card", "spelling", "name", "question"] = "none"


NOTHING = Expectation()
"""No question was asked."""


def _last_sentence(text: str) -> str:
    """What was said after the last sentence's end before it."""
    text = text.rstrip()
    start = max(text.rfind(mark, 0, len(text) - 1) for mark in (". ", "? ", "! "))
    return text[start + 1 :].strip()


def expectation(agent_text: str) -> Expectation:
    """Read from the agent's last words what kind of answer is coming."""
    sentence = _last_sentence(agent_text)
    last = words(sentence)
    has = set(last)
    if not (sentence.endswith("?") or "please" in has):
        return NOTHING
    if has & {"email", "e-mail", "mail"}:
        return Expectation("email")
    if "card" in has:
        return Expectation("card")
    if "spell" in has:
        return Expectation("spelling")
    if "number" in has and has & {"phone", "telephone", "mobile", "call", "callback", "reach", "contact"}:
        return Expectation("phone")
    if "name" in has:
        return Expectation("name")
    if " ".join(last).endswith(lexicon.OPEN_QUESTIONS):
        return NOTHING
    if last and last[0] in {"is", "are", "shall", "should", "does", "do", "would", "can", "may", "have"}:
        return Expectation("yes_no")
    return Expectation("question")


def classify(text: str, expected: Expectation = NOTHING, *, full_stops: bool = True) -> Completeness:
    """How finished `text` (the turn so far) sounds.

    closed: a sentence that the recogniser ended, a yes or no that was asked for, a farewell. open: a question or a
    short answer that is whole as it stands. stated: a statement that ends with a full stop which is not believed for
    sure. loose: one that may go on. dangling: ends where English wants
    more. spelling: in the middle of a number, an address or a spelled name. full_stops: a "." is believed.
    """
    said = words(text)
    if not said:
        return "dangling"
    spelling = _spelling(said, expected)
    if spelling is not None:
        return spelling
    if text.rstrip().endswith(("…", "...", ",", "-", "—")):
        return "dangling"
    if _closes(said):
        return "loose" if expected.kind in GIVEN and not _declines(said) else "closed"
    if expected.kind == "yes_no" and said[0] in lexicon.CLOSERS and len(said) <= 3:
        return "closed"
    if " ".join(said).endswith(lexicon.WHOLE_ENDINGS):
        return "open"
    if said[-1] in lexicon.DANGLING and not (said[-1] in lexicon.SOFT_ENDINGS and text.rstrip().endswith(("?", "."))):
        return "dangling"
    asking = text.rstrip().endswith("?")
    said = _without_greeting(said)
    if not said and not asking:
        return "dangling"
    if " ".join(said) in lexicon.BEGINNINGS:
        return "dangling"
    if text.rstrip().endswith(("?", "!", ".") if full_stops else ("?", "!")):
        return "closed"
    asked = said[0] in lexicon.QUESTION_STARTS and len(said) >= _QUESTION
    answers = _answers(said, expected)
    if asked or answers:
        return "open"
    return "stated" if text.rstrip().endswith(".") else "loose"


def _without_greeting(said: tuple[str, ...]) -> tuple[str, ...]:
    """The request after its greeting; nothing where there is only a greeting so far."""
    joined = " ".join(said)
    found = [each for each in lexicon.GREETINGS if joined == each or joined.startswith(each + " ")]
    return said[max((each.count(" ") + 1 for each in found), default=0) :]


def _answers(said: tuple[str, ...], expected: Expectation) -> bool:
    """A short answer, whole as it stands: "the morning", "my name is Ana". A clause that begins may go on."""
    joined = " ".join(said)
    begins = said[0] in lexicon.CLAUSE_STARTS or any(joined.startswith(each + " ") for each in lexicon.BEGINNINGS)
    if expected.kind == "name":
        return not begins or len(said) >= _NAMED.get(said[0], len(said) + 1)
    return expected.kind in ("question", "yes_no") and len(said) <= _SHORT_ANSWER and not begins


def _declines(said: tuple[str, ...]) -> bool:
    """Will not give what was asked for: "no", "never mind", "that's all"."""
    return _refuses(said) or _ends_with_phrase(said)


def _closes(said: tuple[str, ...]) -> bool:
    """A farewell, a yes, a "please" at the end of a request.

    Where a number or an address was asked for, a bare "sure" is only its beginning, and "bye bye bye" is what a
    recogniser makes of "five five five".
    """
    short = len(said) <= _SHORT_CLOSER or said[-1] in ("please", "thanks")
    return _ends_with_phrase(said) or (said[-1] in lexicon.CLOSERS and short and " ".join(said) != "please")


def _ends_with_phrase(said: tuple[str, ...]) -> bool:
    joined = " ".join(said)
    return any(joined == phrase or joined.endswith(" " + phrase) for phrase in lexicon.CLOSING_PHRASES)


def _spelling(said: tuple[str, ...], expected: Expectation) -> Completeness | None:
    """Piecewise speech: digits, letters, an e-mail address; None where the text is ordinary speech."""
    digits, last = _trailing_digits(said), said[-1]
    giving = not lexicon.GIVING.isdisjoint(said)
    if last in lexicon.SPELL_MARKERS and len(said) > 1 and last != "at":
        return "spelling"
    if expected.kind in ("phone", "card"):
        wanted = _PHONE_DIGITS if expected.kind == "phone" else _CARD_DIGITS
        total = _all_digits(said)
        if total >= wanted:
            return "closed" if total in (wanted, wanted + 1) else "open"
        if expected.kind == "phone" and total >= _LOCAL_DIGITS and last.isdigit() and len(last) == _LAST_GROUP:
            return "open" if total == wanted - 1 else "loose"
        if total >= 2:
            return "spelling"
        return None
    domain = "." in last and last.rsplit(".", 1)[-1] in lexicon.EMAIL_ENDINGS
    if expected.kind == "email" or domain or "at" in said[1:-1] or any("@" in word for word in said):
        written = domain or ("@" in last and "." in last.split("@")[-1])
        if written or (last in lexicon.EMAIL_ENDINGS and "dot" in said):
            return "open"
        if expected.kind == "email" and not _refuses(said):
            return "spelling"
    if not domain and _in_address(said, giving=giving):
        return "spelling"
    if expected.kind == "spelling" and not _refuses(said):
        return "spelling" if len(said) <= 1 or len(said[-1]) == 1 else "open"
    if digits >= 3 or (digits and giving):
        return "spelling" if digits < (_CARD_DIGITS if "card" in said else _PHONE_DIGITS) else "open"
    letters = 0
    for word in reversed(said):
        if word in lexicon.LETTER_NAMES or word in lexicon.SPELL_MARKERS:
            letters += 1
        else:
            break
    return "spelling" if letters >= 2 or (letters and giving) else None


def _in_address(said: tuple[str, ...], *, giving: bool) -> bool:
    """The last words are a part of an address: a "dot" on a tooth is none."""
    part = set(said[-_ADDRESS_PART:])
    return "underscore" in part or ("dot" in part and (giving or said[0] in ("it's", "its", "that's")))


def _refuses(said: tuple[str, ...]) -> bool:
    return said[0] in {"no", "nope", "i", "sorry", "why", "what"} and "dot" not in said


def _digits_of(word: str) -> int:
    if word.isdigit():
        return len(word)
    if word == "hundred":
        return 2
    return 1 if word in lexicon.DIGIT_WORDS else 0


def _trailing_digits(said: tuple[str, ...]) -> int:
    total = 0
    for word in reversed(said):
        count = _digits_of(word)
        if not count:
            break
        total += count
    return total


def _all_digits(said: tuple[str, ...]) -> int:
    return sum(_digits_of(word) for word in said)


@dataclass(slots=True)
class PauseModel:
    """This caller's mid-turn pauses: an exponentially weighted mean and mean deviation, in ms.

    The same estimator as TCP's round-trip time (RFC 6298, gains 1/8 and 1/4), started from nothing.
    goes_on: share of the sentences that sounded closed and were gone on from, of about the last eight.
    """

    mean: float = 0.0
    deviation: float = 0.0
    seen: int = 0
    goes_on: float = 0.0

    def add(self, pause_ms: float) -> None:
        """The caller paused for `pause_ms` and went on with the same turn."""
        pause_ms = min(pause_ms, 3_000.0)
        if not self.seen:
            self.mean, self.deviation = pause_ms, pause_ms / 2
        else:
            self.deviation += (abs(pause_ms - self.mean) - self.deviation) / 4
            self.mean += (pause_ms - self.mean) / 8
        self.seen += 1

    def closed(self, *, went_on: bool) -> None:
        """A sentence that sounded closed was the end of a turn, or was not."""
        self.goes_on += (went_on - self.goes_on) / 8

    def patience(self) -> float:
        """How long a caller is waited for whose whole sentences often go on, in ms; 0 for all others."""
        return self.mean + 2 * self.deviation if self.seen >= 2 and self.goes_on > _GOES_ON else 0.0

    def typical(self) -> float:
        """A pause this caller seldom exceeds; 0 while nothing is known."""
        return self.mean + self.deviation if self.seen >= 2 else 0.0


def _loose(pauses: PauseModel, settings: Endpointing) -> int:
    """A statement is waited for as long as callers pause; less for one whose own pauses are known to be short."""
    if pauses.seen < _KNOWN_CALLER:
        return settings.loose
    return max(settings.open, min(settings.loose, int(2 * pauses.typical())))


def wait_ms(kind: Completeness, pauses: PauseModel, settings: Endpointing, score: float | None = None) -> int:
    """How long after the end of speech the turn may be decided, in ms.

    score: end-of-turn probability of a detector; it can only lengthen a closed wait or shorten a dangling one
    by half, because on telephone audio it is right too seldom to be trusted alone.
    """
    base = {
        "closed": settings.closed,
        "open": settings.open,
        "stated": settings.stated or _loose(pauses, settings),
        "loose": _loose(pauses, settings),
        "dangling": settings.dangling,
        "spelling": settings.spelling,
    }[kind]
    own = pauses.patience() if kind == "closed" else pauses.typical()
    base = max(base, min(int(own), settings.longest))
    if score is not None:
        if score < 0.3:
            base = max(base, settings.open)
        elif score > 0.8 and kind in ("open", "stated", "loose", "dangling"):
            base //= 2
    return base if kind == "spelling" else min(base, settings.longest)
