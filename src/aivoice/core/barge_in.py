"""The caller speaks while the agent does: yield, carry on, or wait for more words? Pure."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Literal

from aivoice.core.text import canonical, words

Verdict = Literal["yield", "carry_on", "wait"]

# Sounds and words that say "I am listening": they take no turn while the agent speaks.
_BACKCHANNELS = frozenset(
    [
        "mm",
        "hm",
        "hmm",
        "mhm",
        "mmhm",
        "mm-hm",
        "uh",
        "huh",
        "uhhuh",
        "aha",
        "ah",
        "oh",
        "yeah",
        "yep",
        "yes",
        "yup",
        "ok",
        "okay",
        "right",
        "sure",
        "great",
        "good",
        "fine",
        "cool",
        "alright",
        "i",
        "see",
        "got",
        "it",
        "gotcha",
        "nice",
        "perfect",
        "wow",
        "really",
        "mmm",
        "um",
        "er",
        "uh",
    ]
)
_BACKCHANNEL_PHRASES = frozenset(
    {"i see", "got it", "all right", "sounds good", "of course", "no problem", "makes sense", "oh okay i see"}
)
# Words that take the floor, so that a sentence that begins with them is never taken for our own echo.
_STOPPERS = frozenset(
    [
        "wait",
        "stop",
        "no",
        "nope",
        "sorry",
        "excuse",
        "hold",
        "actually",
        "but",
        "hello",
        "hey",
        "pardon",
        "what",
        "hang",
    ]
)
_ECHO_SIMILARITY = 0.75
_SURE, _HUM_WORDS = 0.4, 2
"""A recogniser that believes a word or two less than this has often heard a hum: Whisper writes "mm-hm" as a name."""
_ECHO_REACH, _STOPPER_REACH = 6, 3
"""Words back from the one being said that an echo of 300 ms can still be of."""


def is_backchannel(text: str) -> bool:
    """Only listening noises: "mm-hm", "yeah okay", "I see"."""
    said = words(text.replace("-", " "))
    if not said or len(said) > 4:
        return False
    return " ".join(said) in _BACKCHANNEL_PHRASES or all(word in _BACKCHANNELS and word != "i" for word in said)


def is_listening(text: str, confidence: float = 1.0) -> bool:
    """A listening noise, or a word or two the recogniser itself (`confidence`, 0…1) hardly believes in."""
    said = words(text)
    unsure = confidence < _SURE and len(said) <= _HUM_WORDS and _STOPPERS.isdisjoint(said)
    return is_backchannel(text) or (unsure and not text.rstrip().endswith("?"))


def is_echo(text: str, spoken: str) -> bool:
    """Whether the transcript repeats what the agent is saying (≥ 2 words, three quarters of them in order)."""
    said, ours = canonical(text), canonical(spoken)
    if len(said) < 2 or not ours or said[0] in _STOPPERS:
        return False
    matcher = SequenceMatcher(None, said, ours, autojunk=False)
    matched = sum(block.size for block in matcher.get_matching_blocks())
    return matched / len(said) >= _ECHO_SIMILARITY


def _may_be_echo(said: tuple[str, ...], spoken: str) -> bool:
    """A lone word that the agent has just said: more words will tell."""
    reach = _STOPPER_REACH if said[0] in _STOPPERS else _ECHO_REACH
    return len(said) == 1 and said[0] in words(spoken)[-reach:]


def is_tail_of_echo(text: str, last: str) -> bool:
    """Whether words that came after the agent fell silent are still its own (also a lone one)."""
    said = words(text.replace("-", " "))
    return is_echo(text, last) or (len(said) <= 2 and said == words(last.replace("-", " "))[-len(said) :] != ())


def decide(text: str, *, spoken: str, speaking: bool, expects_answer: bool, confidence: float = 1.0) -> Verdict:
    """What to do with the words heard over the agent.

    text: transcript since the agent was silenced. spoken: what the agent has been saying lately. speaking: the VAD
    still hears the caller. expects_answer: the agent had just asked, so "yes" is an answer, not a backchannel.
    confidence: the recogniser's, 0…1.
    """
    said = words(text)
    if not said:
        return "wait"
    if is_echo(text, spoken):
        return "carry_on"
    if not expects_answer and _may_be_echo(said, spoken):
        return "wait" if speaking else "carry_on"
    if is_listening(text, confidence) and not expects_answer:
        return "wait" if speaking else "carry_on"
    return "yield"
