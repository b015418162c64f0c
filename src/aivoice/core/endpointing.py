"""When has the caller finished? Text completeness, what was asked, and this caller's own pauses set the wait.

No timer is fixed: `classify` says how finished the words sound, `PauseModel` how long this caller pauses in
mid-turn, `wait_ms` combines them with the optional end-of-turn score. All pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aivoice.core.config import Endpointing
from aivoice.core.text import NUMBER_WORDS, words

Completeness = Literal["closed", "open", "loose", "dangling", "spelling"]

# Words after which English wants another: articles, prepositions, conjunctions, possessives, auxiliaries, hesitations.
_DANGLING = frozenset(
    [
        "a",
        "an",
        "the",
        "my",
        "your",
        "his",
        "her",
        "our",
        "their",
        "this",
        "these",
        "those",
        "some",
        "any",
        "every",
        "each",
        "another",
        "and",
        "or",
        "but",
        "so",
        "because",
        "if",
        "when",
        "while",
        "that",
        "which",
        "who",
        "whose",
        "than",
        "then",
        "as",
        "of",
        "for",
        "to",
        "from",
        "with",
        "without",
        "by",
        "at",
        "in",
        "on",
        "into",
        "onto",
        "over",
        "under",
        "about",
        "after",
        "before",
        "between",
        "until",
        "till",
        "during",
        "per",
        "via",
        "is",
        "are",
        "was",
        "were",
        "am",
        "be",
        "been",
        "being",
        "do",
        "does",
        "did",
        "have",
        "has",
        "had",
        "will",
        "would",
        "can",
        "could",
        "should",
        "shall",
        "may",
        "might",
        "must",
        "i'd",
        "i'll",
        "i've",
        "we'd",
        "we'll",
        "we've",
        "you'd",
        "it's",
        "that's",
        "there's",
        "i'm",
        "um",
        "uh",
        "er",
        "erm",
        "hmm",
        "uhm",
        "like",
        "just",
        "really",
        "very",
        "quite",
        "pretty",
        "maybe",
        "perhaps",
        "also",
        "not",
        "no-one",
        "its",
        "i",
        "we",
        "he",
        "she",
        "they",
        "what's",
        "where's",
        "who's",
        "how's",
        "want",
        "need",
        "wanna",
        "gonna",
        "let's",
        "try",
        "trying",
        "going",
        "please-could",
        "mr",
        "mrs",
        "ms",
        "dr",
        "doctor",
        "number",
        "street-number",
        "next",
        "last",
    ]
)
# These end a sentence often enough that their being last says little by itself.
_SOFT_ENDINGS = frozenset(
    [
        "that",
        "this",
        "those",
        "these",
        "some",
        "any",
        "next",
        "last",
        "like",
        "just",
        "about",
        "in",
        "on",
        "over",
        "i",
        "is",
        "are",
        "do",
        "have",
        "can",
        "will",
        "to",
        "not",
        "one",
    ]
)
_QUESTION_STARTS = [
    "what",
    "when",
    "where",
    "who",
    "whose",
    "which",
    "how",
    "why",
    "is",
    "are",
    "was",
    "were",
    "do",
    "does",
    "did",
    "can",
    "could",
    "will",
    "would",
    "should",
    "have",
    "has",
    "may",
]
_CLOSERS = frozenset(
    [
        "yes",
        "yeah",
        "yep",
        "yup",
        "no",
        "nope",
        "nah",
        "sure",
        "okay",
        "ok",
        "thanks",
        "thank",
        "goodbye",
        "bye",
        "correct",
        "right",
        "exactly",
        "perfect",
        "great",
        "please",
        "hello",
        "hi",
        "absolutely",
        "definitely",
        "cheers",
    ]
)
_CLOSING_PHRASES = (
    "that's all", "that is all", "that's it", "that's right", "thank you", "thank you very much", "thanks a lot",
    "that works", "that's fine", "sounds good", "no thanks", "no thank you", "yes please", "that would be great",
    "never mind", "nothing else", "that's correct", "good bye", "have a good day", "of course", "go ahead",
)  # fmt: skip
# Whole texts that are the beginning of a request, however finished their last word sounds.
_BEGINNINGS = frozenset(
    {
        "i was wondering", "i was wondering if you could", "my name", "the thing", "the reason", "i would like",
        "i'd like", "i need", "i want", "i have", "i'm calling", "i am calling", "can you", "could you", "can i",
        "could i", "do you", "would you", "is there", "are there", "we have", "i think", "i guess", "you know",
        "hi my name", "hello my name", "what about", "how about", "tell me", "please tell me", "can you tell me",
        "could you tell me", "i would prefer", "i'd prefer", "is it possible", "do you know", "do you have",
    }
)  # fmt: skip
_SHORT_ANSWER = 6
_NAMED = 4
_CLAUSE_STARTS = frozenset(
    {"i", "we", "my", "our", "he", "she", "they", "it", "it's", "i'm", "we're", "there", "there's", "you", "this"}
    | {"that", "well", "so", "because", "if", "when", "i'd", "i've", "i'll", "we've"}
)
_LETTER_NAMES = frozenset("abcdefghijklmnopqrstuvwxyz")
_OPEN_QUESTIONS = (
    "can i help",
    "can i help you",
    "can i do for you",
    "may i help you",
    "i help you today",
    "anything else",
)
_SPELL_MARKERS = frozenset(["at", "dot", "underscore", "dash", "hyphen", "double", "triple", "plus"])
_DIGIT_WORDS = frozenset(NUMBER_WORDS) | {"hundred", "double", "triple"}
_EMAIL_ENDINGS = frozenset(["com", "org", "net", "edu", "gov", "uk", "de", "us", "io", "co", "info", "biz"])
_KNOWN_CALLER = 4
"""Pauses after which a caller's own pace is trusted."""
_PHONE_DIGITS = 10
_CARD_DIGITS = 15


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
    if " ".join(last).endswith(_OPEN_QUESTIONS):
        return NOTHING
    if last and last[0] in {"is", "are", "shall", "should", "does", "do", "would", "can", "may", "have"}:
        return Expectation("yes_no")
    return Expectation("question")


def classify(text: str, expected: Expectation = NOTHING, *, full_stops: bool = True) -> Completeness:
    """How finished `text` (the turn so far) sounds.

    closed: a sentence that the recogniser ended, a yes or no that was asked for, a farewell. open: a question or a
    short answer that is whole as it stands. loose: a statement that may go on. dangling: ends where English wants
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
    if _ends_with_phrase(said) or (said[-1] in _CLOSERS and (len(said) <= 4 or said[-1] in ("please", "thanks"))):
        return "closed"
    if expected.kind == "yes_no" and said[0] in _CLOSERS and len(said) <= 3:
        return "closed"
    if said[-1] in _DANGLING and not (said[-1] in _SOFT_ENDINGS and text.rstrip().endswith(("?", "."))):
        return "dangling"
    if " ".join(said) in _BEGINNINGS:
        return "dangling"
    if text.rstrip().endswith(("?", "!", ".") if full_stops else ("?", "!")):
        return "closed"
    asked = said[0] in _QUESTION_STARTS and len(said) >= 4
    answers = _answers(said, expected)
    return "open" if asked or answers else "loose"


def _answers(said: tuple[str, ...], expected: Expectation) -> bool:
    """A short answer, whole as it stands: "the morning", "my name is Ana". A clause that begins may go on."""
    if expected.kind == "name":
        return said[0] not in _CLAUSE_STARTS or (said[0] in ("my", "it's", "i'm", "this") and len(said) >= _NAMED)
    return expected.kind in ("question", "yes_no") and len(said) <= _SHORT_ANSWER and said[0] not in _CLAUSE_STARTS


def _ends_with_phrase(said: tuple[str, ...]) -> bool:
    joined = " ".join(said)
    return any(joined == phrase or joined.endswith(" " + phrase) for phrase in _CLOSING_PHRASES)


def _spelling(said: tuple[str, ...], expected: Expectation) -> Completeness | None:
    """Piecewise speech: digits, letters, an e-mail address; None where the text is ordinary speech."""
    digits = _trailing_digits(said)
    if expected.kind in ("phone", "card"):
        wanted = _PHONE_DIGITS if expected.kind == "phone" else _CARD_DIGITS
        total = _all_digits(said)
        if total >= wanted:
            return "closed" if total in (wanted, wanted + 1) else "open"
        if total >= 2:
            return "spelling"
        return None
    if expected.kind == "email" or "at" in said[1:-1] or any("@" in word for word in said):
        if any("@" in word and "." in word.split("@")[-1] for word in said[-1:]) or (
            said[-1] in _EMAIL_ENDINGS and "dot" in said
        ):
            return "open"
        if expected.kind == "email" and not _refuses(said):
            return "spelling"
    if expected.kind == "spelling" and not _refuses(said):
        return "spelling" if len(said) <= 1 or len(said[-1]) == 1 else "open"
    if digits >= 3:
        return "spelling" if digits < _PHONE_DIGITS else "open"
    letters = 0
    for word in reversed(said):
        if word in _LETTER_NAMES or word in _SPELL_MARKERS:
            letters += 1
        else:
            break
    return "spelling" if letters >= 2 else None


def _refuses(said: tuple[str, ...]) -> bool:
    return said[0] in {"no", "nope", "i", "sorry", "why", "what"} and "dot" not in said


def _digits_of(word: str) -> int:
    if word.isdigit():
        return len(word)
    if word == "hundred":
        return 2
    return 1 if word in _DIGIT_WORDS else 0


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
    """

    mean: float = 0.0
    deviation: float = 0.0
    seen: int = 0

    def add(self, pause_ms: float) -> None:
        """The caller paused for `pause_ms` and went on with the same turn."""
        pause_ms = min(pause_ms, 3_000.0)
        if not self.seen:
            self.mean, self.deviation = pause_ms, pause_ms / 2
        else:
            self.deviation += (abs(pause_ms - self.mean) - self.deviation) / 4
            self.mean += (pause_ms - self.mean) / 8
        self.seen += 1

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
        "loose": _loose(pauses, settings),
        "dangling": settings.dangling,
        "spelling": settings.spelling,
    }[kind]
    if kind != "closed":
        base = max(base, min(int(pauses.typical()), settings.longest))
    if score is not None:
        if score < 0.3:
            base = max(base, settings.open)
        elif score > 0.8 and kind in ("open", "loose", "dangling"):
            base //= 2
    return base if kind == "spelling" else min(base, settings.longest)
