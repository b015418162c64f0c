"""What must work whatever the language model does: reaching a person, and emergencies. Word sequences, pure."""

from __future__ import annotations

from aivoice.core.config import CallConfig, Target
from aivoice.core.text import contains, words

_PERSON_NOUNS = (
    "person", "human", "human being", "real person", "representative", "operator", "receptionist", "agent", "someone",
    "somebody", "staff", "member of staff", "manager", "real human", "live person", "live agent",
)  # fmt: skip
_PERSON_VERBS = (
    "speak to", "speak with", "talk to", "talk with", "put me through to", "connect me to", "connect me with",
    "transfer me to", "get me", "give me", "need", "want", "let me speak to", "let me talk to",
)  # fmt: skip
_ARTICLES = ("", "a", "an", "the", "an actual", "a real", "an", "some")
_SHORT = frozenset(
    {"operator", "representative", "human", "a person", "a human", "agent", "real person", "a real person", "person"}
)
_WHOLE = frozenset(["person", "human", "representative", "operator", "someone", "somebody"])
_TELLING = frozenset({"tell", "let", "inform", "message", "told", "ask"})
"""Before a target's name these make it somebody to pass a word to, not to be put through to."""
_NEGATIONS = frozenset(
    ["no", "not", "isn't", "wasn't", "don't", "doesn't", "never", "without", "nothing", "non", "stopped"]
)


def _person_phrases() -> frozenset[tuple[str, ...]]:
    phrases: set[tuple[str, ...]] = set()
    for verb in _PERSON_VERBS:
        for article in _ARTICLES:
            for noun in _PERSON_NOUNS:
                phrases.add(tuple(f"{verb} {article} {noun}".split()))
    return frozenset(phrases)


_PERSON = _person_phrases()
_LENGTHS = sorted({len(phrase) for phrase in _PERSON})


def wants_person(text: str) -> bool:
    """The caller asks for a human being."""
    said = tuple(word for word in words(text) if word not in ("please", "just", "to-please"))
    if " ".join(said) in _SHORT:
        return True
    for length in _LENGTHS:
        for start in range(len(said) - length + 1):
            if said[start : start + length] in _PERSON and not _negated(said, start):
                return _noun_is_last(said, start + length)
    return False


def _noun_is_last(said: tuple[str, ...], end: int) -> bool:
    """ "get me someone to look at my boiler" asks for a visit; "a real person" anywhere asks for a person."""
    return end == len(said) or said[end - 1] not in ("someone", "somebody", "agent", "manager")


def _negated(said: tuple[str, ...], start: int) -> bool:
    return any(word in _NEGATIONS for word in said[max(0, start - 3) : start])


def is_emergency(text: str, phrases: tuple[str, ...]) -> bool:
    """One of the business's emergency phrases was said, and not denied right before ("it's not bleeding")."""
    said = words(text)
    for phrase in phrases:
        at = contains(said, words(phrase))
        if at >= 0 and not _negated(said, at):
            return True
    return False


def wanted_target(text: str, targets: tuple[Target, ...]) -> Target | None:
    """The transfer target whose own phrase was said, if any."""
    said = words(text)
    for target in targets:
        for phrase in target.phrases:
            at = contains(said, words(phrase))
            if at >= 0 and not _TELLING & set(said[max(0, at - 3) : at]):
                return target
    return None


def person_target(config: CallConfig) -> str:
    """Where "a person" leads: the first target, or a nameless one that the engine maps to the business's line."""
    return config.targets[0].name if config.targets else ""
