"""Yes, no and their relatives, and picking one of several options.

`parse_answer(text)` reads the answer to a yes/no question, with what came after it ("no, Wednesday" → no, rest
"Wednesday"); `match_choice(text, options)` finds which option of a list (an enum of a tool's schema) was meant.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from aivoice.speech.found import Found, tokenise, word_set

AnswerKind = Literal["yes", "no", "wait", "unsure", "none"]


@dataclass(frozen=True, slots=True)
class Answer:
    """kind: ``none`` when the text holds no answer. rest: what was said besides the answer, as it was said, stripped
    ("no, make it Wednesday" → "make it Wednesday"); a "yes" with a rest may hold a correction ("yes but at four")."""

    kind: AnswerKind
    rest: str = ""


# The longest phrase that begins the turn (after fillers) wins.
_PHRASES: dict[AnswerKind, str] = {
    "unsure": """
        i don't know|i do not know|not sure|i'm not sure|no idea|i'm not certain|maybe|perhaps|i guess|possibly
        it depends|whatever|not really sure""",
    "wait": """
        wait|hold on|hang on|one moment|just a second|one second|just a moment|give me a second|let me check
        let me think|one sec""",
    "yes": """
        yes|yeah|yep|yup|yea|ya|yes please|please do|please|sure|sure thing|of course|absolutely|definitely|certainly
        correct|that's correct|that is correct|right|that's right|that is right|exactly|okay|ok|k|alright|all right|fine
        that's fine|that is fine|sounds good|sounds great|sounds fine|that sounds good|that sounds great|that works
        works for me|that'll work|perfect|great|lovely|go ahead|do it|go for it|let's do it|let's do that|book it|mm-hm
        mhm|mm hmm|mmhmm|mm hm|uh-huh|uh huh|aha|affirmative|indeed|you got it|why not|no problem|no worries
        no that's fine|no that's correct|no that's right|no that's good|that's it|that would be great
        that would be good|i do|i would|it is|i am|you bet|totally|true|good|please go ahead|confirm|confirmed
        i confirm|very good|that is fine by me""",
    "no": """
        no|nope|nah|no thanks|no thank you|not really|not yet|negative|that's wrong|that is wrong|wrong|incorrect
        that's incorrect|that is incorrect|that's not right|that is not right|that isn't right|that's not correct
        that is not correct|that's not it|not quite|not right|never mind|nevermind|forget it|don't|do not|please don't
        cancel that|i don't think so|i do not think so|i'd rather not|i don't want that|i don't|i'm not|it isn't
        it is not|it's not|uh-uh|uh uh|nuh uh|absolutely not|of course not|definitely not|certainly not|not at all
        no way|stop|no it's not|no it isn't|no that's wrong|no that's not right""",
}
_TABLE: dict[tuple[str, ...], AnswerKind] = {
    tuple(re.findall(r"[a-z]+(?:'[a-z]+)?", phrase)): kind
    for kind, group in _PHRASES.items()
    for phrase in group.replace("\n", "|").split("|")
    if phrase.strip()
}
_LONGEST = max(len(words) for words in _TABLE)
_FILLERS = word_set("um uh er erm well oh ah so hmm hm like and but actually thank you thanks")
_TAIL = word_set("please thanks thank you very much then that's all sir ma'am it's that is good fine great")
# These also begin ordinary sentences ("right now", "please call me", "fine print"): alone or before a break only.
_WEAK = frozenset(
    {("please",), ("right",), ("fine",), ("good",), ("great",), ("true",), ("k",), ("ya",), ("don't",), ("do", "not"),
     ("stop",), ("i", "do"), ("i", "would"), ("it", "is"), ("i", "am"), ("i", "don't"), ("i'm", "not"), ("it's", "not"),
     ("it", "is", "not"), ("it", "isn't"), ("maybe",), ("perhaps",), ("i", "guess"), ("indeed",), ("confirm",),
     ("let", "me", "think"), ("wrong",), ("lovely",), ("not", "right"), ("i", "don't", "know")}
)  # fmt: skip


def parse_answer(text: str) -> Answer:
    """The answer that begins `text`; a contradiction later in the same breath wins ("yes, no wait, no"). Never
    raises."""
    tokens = tokenise(text)
    index = 0
    kind: AnswerKind = "none"
    rest_from = 0
    while index < len(tokens):
        hit: tuple[AnswerKind, int] | None = None
        for size in range(min(_LONGEST, len(tokens) - index), 0, -1):
            words = tuple(token.word for token in tokens[index : index + size])
            if words in _TABLE and not (words in _WEAK and not _stands_alone(text, tokens, index + size)):
                hit = _TABLE[words], index + size
                break
        if hit is not None:
            kind = _combine(kind, hit[0])
            index = rest_from = hit[1]
        elif tokens[index].word in _FILLERS or (kind != "none" and tokens[index].word in _TAIL):
            index += 1
        else:
            break
    if kind == "none":
        return Answer("none", text.strip())
    # "thanks", "please" behind the answer are not a correction.
    at = rest_from
    while at < len(tokens) and tokens[at].word in _FILLERS | _TAIL:
        at += 1
    rest = text[tokens[at].start :].strip() if at < len(tokens) else ""
    return Answer(kind, rest)


def _stands_alone(text: str, tokens: tuple[object, ...], stop: int) -> bool:
    if stop >= len(tokens):
        return True
    following = tokens[stop]
    gap = getattr(following, "gap", "")
    return any(mark in gap for mark in ",.;!?") or getattr(following, "word", "") in _TAIL


def _combine(before: AnswerKind, now: AnswerKind) -> AnswerKind:
    """ "no, that's fine" arrives as one phrase; otherwise the later answer of a breath wins, except that "okay" and
    friends after a "no" or "wait" do not turn it round."""
    if before in ("no", "wait", "unsure") and now == "yes":
        return before
    return now


def match_choice(text: str, options: tuple[str, ...]) -> Found[str] | None:
    """The one option that `text` names, or None when none or several do.

    Options are compared by their words (``same_day`` is "same day"); a word counts when it is said, or nearly (one
    letter in five differs, as speech recognition does).
    """
    tokens = tokenise(text)
    scored: list[tuple[float, str, int, int]] = []
    for option in options:
        wanted = [token.word for token in tokenise(option.replace("_", " "))]
        if not wanted:
            continue
        where = [
            index
            for word in wanted
            for index, token in enumerate(tokens)
            if token.word == word or (len(word) > 4 and difflib.SequenceMatcher(None, token.word, word).ratio() >= 0.8)
        ]
        hits = sum(1 for word in wanted if any(_near(token.word, word) for token in tokens))
        if hits and where:
            scored.append((hits / len(wanted), option, min(where), max(where)))
    scored.sort(key=lambda item: (-item[0], -len(item[1])))
    if not scored or scored[0][0] < 0.5 or (len(scored) > 1 and scored[1][0] == scored[0][0] and not _contains(scored)):
        return None
    _, option, first, last = scored[0]
    return Found(option, tokens[first].start, tokens[last].end)


def _near(said: str, word: str) -> bool:
    return said == word or (len(word) > 4 and difflib.SequenceMatcher(None, said, word).ratio() >= 0.8)


def _contains(scored: list[tuple[float, str, int, int]]) -> bool:
    """Whether the runner-up's words all belong to the winner ("emergency repair" against "repair")."""
    best = {token.word for token in tokenise(scored[0][1].replace("_", " "))}
    second = {token.word for token in tokenise(scored[1][1].replace("_", " "))}
    return second < best
