"""Answers from what the business told us: prices and contact details exactly, the rest from retrieved passages. Pure.

Passages are data. Sentences that try to give orders are left out; nothing of a passage is ever obeyed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from aivoice.core.prompt import Passage
from aivoice.knowledge.terms import SYNONYMS
from aivoice.providers.receptionist.acts import Act
from aivoice.providers.receptionist.facts import Facts
from aivoice.providers.receptionist.slots import suspicious
from aivoice.providers.receptionist.text import alike, content, listed, plain, sentences, stem, word_set, words

_GENERIC = frozenset(
    stem(word)
    for word in word_set(
        """
        offer provide accept take cost charge price much have open work come call question ask know tell help
        guys place business thing things quick wondering possible able use usually pay sure minute quickly today please
        fee speak someone person day time good new all whole every list various different
        """
    )
)
MOST_WORDS = 38
ANSWERABLE = 0.5
_SCORE_WEIGHT = 3.0
"""A passage's score (0…1) against the share of the question's words in one of its sentences: retrieval has weighed how
telling each word is, the share has not. Of 0.4 to 3, 3 answers most of the question sets rightly, and none less."""


@dataclass(frozen=True, slots=True)
class Answer:
    """text: one or two sentences, "" where nothing is known. partial: not all that was asked about is in it."""

    text: str
    partial: bool = False


def answer(
    question: str,
    acts: frozenset[Act],
    passages: tuple[Passage, ...],
    facts: Facts,
    subject: str = "",
    alone: bool = True,
) -> Answer:
    """The best answer to `question`. subject: what is being talked about ("whitening"), for "how much is it?".

    alone: the passages were found by this question; otherwise by a longer text, and their scores say little of it.
    """
    exact = _contact(question, facts)
    if exact:
        return Answer(exact)
    about = about_words(question)
    if "price" in acts:
        price = _price(about, facts) or _price(list(content(subject)), facts)
        if price:
            return Answer(price)
        if not about and facts.prices:
            some = listed(
                [f"{item[:1].lower()}{item[1:]} is {_bare(cost)}" for item, cost, _ in facts.prices[:2]], "and"
            )
            return Answer(f"It depends on what you need. For example, {some}.")
    wanted = about or list(content(subject)) or list(content(question))
    return _from_passages(question, wanted, passages, alone)


def about_words(question: str) -> list[str]:
    """The words of a question that say what it is about."""
    return [word for word in content(question) if word not in _GENERIC]


def _contact(question: str, facts: Facts) -> str:
    said = plain(question)
    if facts.address and re.search(
        r"\b(your address|where are you|where(?: is|'s) (?:your|the) (?:office|practice|clinic|shop|"
        r"store|place|business|building|restaurant|salon|entrance)|located|location|how do i (find|get to) you|"
        r"find you|what street)\b",
        said,
    ):
        return f"We're at {facts.address.rstrip('.')}."
    if facts.phone and re.search(
        r"\b(your|the) (phone|telephone|office)? ?number\b|\bnumber (can|should|do) i call\b", said
    ):
        return f"Our number is {facts.phone}."
    if facts.email and re.search(r"\b(your|an|the) e ?mail\b|\be ?mail (you|address)\b", said):
        return f"Our email address is {facts.email}."
    if facts.website and re.search(r"\b(website|web site|web page|online|url)\b", said):
        return f"Our website is {facts.website}."
    return ""


def _price(about: list[str], facts: Facts) -> str:
    """The price of what was named; several when the name fits several."""
    scored: list[tuple[float, tuple[str, str, str]]] = []
    for entry in facts.prices:
        own = content(entry[0])
        hits = sum(1 for word in own if any(alike(word, other) for other in about))
        covered = sum(1 for word in about if any(alike(word, other) for other in own))
        if hits and (covered == len(about) or hits == len(own)):
            scored.append((covered + hits / max(len(own), 1), entry))
    if not scored:
        return ""
    top = max(score for score, _ in scored)
    best = [entry for score, entry in scored if score >= top - 0.01]
    if len(best) == 1 or top >= 1.9:
        item, price, note = best[0]
        extra = f" {note.rstrip('.')}." if note and len(note.split()) <= 16 else ""
        return f"{_capital(item)} is {_bare(price)}.{extra}"
    return f"{_capital(listed([f'{item} is {_bare(price)}' for item, price, _ in best[:3]], 'and'))}."


def _bare(price: str) -> str:
    return price.strip().rstrip(".")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def clean(text: str) -> list[str]:
    """A passage as plain sentences: markup gone, list items and table rows as sentences of their own."""
    result: list[str] = []
    block = ""
    for line in [*text.splitlines(), ""]:
        bare = re.sub(r"[*_`]+", "", line).strip()
        item = re.match(r"^([-•]|\d+[.)])\s+", bare)
        if not bare or item or bare.startswith(("#", "|")):
            result += sentences(block)
            block = ""
        if bare.startswith("#") or re.fullmatch(r"[|\-: ]*", bare):
            continue
        if item or bare.startswith("|"):
            cells = (
                [cell.strip() for cell in bare.strip("|").split("|")]
                if bare.startswith("|")
                else [bare[item.end() :] if item else bare]
            )
            row = ": ".join(cell for cell in cells if cell)
            result += sentences(row if row.endswith((".", "!", "?")) else f"{row}.")
        else:
            block = f"{block} {bare}".strip()
    return [sentence for sentence in result if not suspicious(sentence) and words(sentence)]


# What a question asks for, and how an answer to it looks.
_KIND: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(asks), re.compile(answers))
    for asks, answers in (
        (
            r"\bhow much\b|\bprice|\bcost|\bcharge|\bfee",
            r"\$|€|£|\b[Ff]ree\b|\bdollars?\b|\b[Nn]o (extra )?charge\b|\b[Pp]rice",
        ),
        (
            r"\bwhere\b|\bpark|\bfind you",
            r"(?i)\b(street|st|avenue|road|floor|behind|next to|opposite|corner|located|parking|lot|garage)\b",
        ),
        (r"\bhow long\b", r"(?i)\b(minutes?|hours?|days?|weeks?|half an hour)\b"),
        (
            r"\bwhen\b|\bwhat time\b|\bhow (soon|fast|quick)",
            r"(?i)\d|\b(am|pm|noon|minutes?|hours?|days?|monday|friday|morning|same day)\b",
        ),
        (r"\bwho\b|\bwhich (doctor|dentist|plumber|lawyer)", r"\b(Dr|Mr|Ms|Mrs|[Dd]octor)\b|[A-Z][a-z]+ [A-Z][a-z]+"),
    )
)


def _from_passages(question: str, wanted: list[str], passages: tuple[Passage, ...], alone: bool) -> Answer:
    said = plain(question)
    kinds = [answer_kind for asks, answer_kind in _KIND if asks.search(said)]
    best: tuple[float, bool, list[str], int] | None = None
    for rank, passage in enumerate(passages[:6]):
        lines = clean(passage.text)
        heading = set(content(passage.heading))
        for index, line in enumerate(lines):
            own = set(content(line))
            inside = sum(max((_likeness(word, other) for other in own), default=0.0) for word in wanted)
            above = sum(
                0.5
                for word in wanted
                if not any(_likeness(word, o) for o in own) and any(alike(word, o) for o in heading)
            )
            coverage = (inside + above) / max(len(wanted), 1)
            fit = 0.35 if any(kind.search(line) for kind in kinds) else 0.0
            miss = -0.25 if kinds and not fit else 0.0
            if not inside and not above and passage.score < 0.8:
                continue
            score = (
                coverage + fit + miss + _SCORE_WEIGHT * max(0.0, min(passage.score, 1.0)) - 0.02 * rank - 0.01 * index
            )
            if best is None or score > best[0]:
                best = (score, _known(coverage, passage.score if alone else 0.0, bool(kinds) and not fit), lines, index)
    if best is None or not best[1]:
        return Answer("")
    _, _, lines, index = best
    return Answer(_as_sentence(_shape(lines, index, wanted)))


@lru_cache(maxsize=16384)
def _likeness(asked: str, said: str) -> float:
    """1: the same word, nearly; 0.7: one that the knowledge counts as the same ("kids", "children")."""
    if alike(asked, said):
        return 1.0
    return 0.7 if any(alike(asked, other) for other in _synonyms(said)) else 0.0


@lru_cache(maxsize=4096)
def _synonyms(word: str) -> frozenset[str]:
    return frozenset(stem(other) for key, others in SYNONYMS.items() if stem(key) == word for other in others)


_ROW = re.compile(r"^([A-Z][^:.]{2,60}): ((?:from |about |up to )?[$€£]\S.*)$")


def _as_sentence(text: str) -> str:
    """A price list's row as a sentence: "Cleaning: $95." → "Cleaning is $95."."""
    return _ROW.sub(r"\1 is \2", text)


def _known(coverage: float, score: float, misfit: bool) -> bool:
    """Whether a sentence answers. A passage's score is the probability that it does (0: the search gave none)."""
    if score >= ANSWERABLE:
        return True
    if score > 0:
        return coverage >= 0.65 and score >= 0.6 * ANSWERABLE and not misfit
    return coverage >= (0.75 if misfit else 0.5)


def _shape(lines: list[str], index: int, wanted: list[str]) -> str:
    """The sentence, with the next one where it carries more of what was asked and both stay short."""
    text = _few(_shorten(lines[index]), wanted)
    if index + 1 < len(lines):
        following = lines[index + 1]
        more = any(alike(word, other) for word in wanted for other in content(following))
        if len(words(f"{text} {following}")) <= MOST_WORDS and (more or len(words(text)) < 7):
            text = f"{text} {following}"
    return text if text.endswith((".", "!", "?")) else f"{text}."


_MOST_LISTED = 5


def _few(sentence: str, wanted: list[str]) -> str:
    """A long list as its first three things and those that were asked for: nobody keeps more in mind by ear."""
    parts = re.split(r",\s+", sentence.rstrip("."))
    last = re.split(r"\s+and\s+", parts[-1])
    items = [*parts[1:-1], *last]
    if len(items) < _MOST_LISTED or any(len(item.split()) > 4 for item in items):
        return sentence
    asked = [item for item in items[2:] if any(_likeness(word, own) for word in wanted for own in content(item))]
    return f"{', '.join([parts[0], *items[:2], *(item.removeprefix('and ') for item in asked)])} and more."


def _shorten(sentence: str) -> str:
    """At most `MOST_WORDS` words, cut at a comma or semicolon."""
    if len(sentence.split()) <= MOST_WORDS:
        return sentence
    kept = ""
    for part in re.split(r"(?<=[,;])\s+", sentence):
        if kept and len(f"{kept} {part}".split()) > MOST_WORDS:
            break
        kept = f"{kept} {part}".strip()
    return " ".join(kept.split()[:MOST_WORDS]).rstrip(",;") + "."
