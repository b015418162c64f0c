"""Words as retrieval compares them: stems without little words, near-synonyms of telephone English, likeness."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:[.,]\d+)*")

_LITTLE = """
a about actually after again all also am an and any anybody anyone anything are as ask at be because been before being
both but by call called calling can could did do does doing done don't each else even ever every few for from get gets
getting give go goes going gonna good got guess guys had has have having he hello hello her here hey hi him his how i
i'd i'll i'm i've if in into is isn't it it's its just kind know let like little look looking lot many may maybe me
mean might mine more most much my myself need needs no not now of off oh ok okay on one only or other our out over own
people per please possible probably quick question really right said same say see she should so some somebody someone
something sorry still such sure take takes taking tell than thank thanks that that's the their them then there there's
these they thing things think this those through to today too uh um under until up us use used using very wait want
wanted wants was way we we're well were what what's when where whether which while who who's why will with wonder
wondering would yeah yes yet you you'd you're your yours offer offers provide provides available guy new kinda able
stuff accept accepts come comes put puts happen happens try let's work working works
"""
STOP = frozenset(_LITTLE.split())

# Words that callers and businesses use for the same thing. Each line is one meaning.
_GROUPS = """
price cost charge fee rate expensive cheap dollars pay pricing much
hours open opening close closed closing until weekday weekend saturday sunday time
address location located where directions find street
pay payment card cash check credit debit visa
insurance insured coverage cover plan network dental
child children kid kids son daughter toddler baby year-old
cancel cancellation reschedule postpone move
appointment visit booking slot
emergency urgent asap
park parking car lot garage
pull pulled extract extraction extracted remove removal
whiten whitening bleach bleaching whiter
cleaning clean hygienist hygiene polish
afraid scared nervous anxious anxiety phobia fear sedation gas asleep
checkup check-up exam examination
speak language spanish english translate translator
wheelchair accessible disabled disability elevator access
bus train transit station subway
clogged blocked clog block backed drain blockage
heater boiler furnace
faucet tap spigot
guarantee guaranteed warranty warrantied
licensed license licence certified bonded
estimate quote quotation
landlord renter rent tenant renting lease
late delayed running
shut turn valve off
area cover serve town region far travel
doctor dentist
installments installment monthly financing finance instalment plan
records xrays x-rays file
service services
night after-hours sunday holiday holidays
email e-mail mail website web online
phone number telephone
braces orthodontist aligners aligner invisalign straighten
"""


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A light English stem: plural, -ing, -ed, -er, -ly off; "parking", "parked", "parks" → "park"."""
    word = word.removesuffix("'s").replace("'", "")
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for suffix in ("ments", "ment", "ations", "ation", "ings", "ing", "ers", "edly", "ed", "er", "ly", "ance", "ence"):
        if word.endswith(suffix) and len(word) - len(suffix) >= (5 if suffix.endswith("nce") else 3):
            word = word[: -len(suffix)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def fold(text: str) -> str:
    """Lower case without accents."""
    flat = unicodedata.normalize("NFKD", text.lower().replace("’", "'"))
    return "".join(character for character in flat if not unicodedata.combining(character))


_SHORT_PREFIX = re.compile(r"\b([a-z]{1,2})-(?=[a-z])")
_CHECKUP = re.compile(r"\bcheck[- ]up")
_EMAIL = re.compile(r"\be-?mail address")


def words(text: str) -> list[str]:
    """Words as they are compared, before stemming: "e-mail" is "email", "same-day" is two words."""
    flat = _EMAIL.sub("email", _CHECKUP.sub("checkup", fold(text)))
    return _WORD.findall(_SHORT_PREFIX.sub(r"\1", flat).replace("-", " "))


def terms(text: str) -> tuple[str, ...]:
    """The stems of the words that carry meaning, in order."""
    return tuple(stem(word) for word in words(text) if word not in STOP)


def _synonyms() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for line in _GROUPS.split("\n"):
        group = {stem(part) for word in line.split() for part in word.split("-")}
        for word in group:
            table.setdefault(word, set()).update(group - {word})
    return {word: frozenset(others) for word, others in table.items()}


SYNONYMS = _synonyms()

_COSTS = r"\bhow much\b|\bwhat (do|does|would|will) .*\b(cost|charge|run)\b|\bhow expensive\b"
_WHEN = r"\b(what time|when|how late|how early|until when)\b.*\b(open|close|closed|closing|there|in)\b"
_HOURS = r"\b(what are your|your) (hours|opening)\b|\bopen (on|at|today|tomorrow|now)\b"
_WHERE = r"\bwhere (are|is|can|do)\b|\bhow do i (get|find)\b|\b(find|get to) you\b|\bwhat('s| is) (your|the) address\b"
_INTENTS = (
    (re.compile(_COSTS), ("price", "cost")),
    (re.compile(_WHEN), ("hour", "open")),
    (re.compile(_HOURS), ("hour", "open")),
    (re.compile(_WHERE), ("address", "location")),
)


_HOW = re.compile(r"\bhow (late|early|old|far|big|soon|often)\b")


def query_terms(query: str) -> tuple[str, ...]:
    """The terms of a question, each once, with what its form asks for ("how much" → price)."""
    flat = " ".join(fold(query).split())
    found = list(terms(_HOW.sub(" ", flat)))
    for pattern, extra in _INTENTS:
        if pattern.search(flat):
            found.extend(stem(word) for word in extra)
    return tuple(dict.fromkeys(found))


def joined(query: str) -> tuple[tuple[str, str, str], ...]:
    """Neighbouring words of a question as one word: ("weel", "chair", "weelchair"), for what was heard in pieces."""
    pairs = [(one, two) for one, two in pairwise(words(query)) if one not in STOP or two not in STOP]
    return tuple((stem(one), stem(two), stem(one + two)) for one, two in pairs)


_SOUNDS = (
    ("ph", "f"), ("gh", "f"), ("ck", "k"), ("wh", "w"), ("kn", "n"), ("wr", "r"), ("qu", "kw"), ("x", "ks"), ("ce",
    "se"),
    ("ci", "si"), ("cy", "sy"), ("c", "k"), ("q", "k"), ("z", "s"), ("v", "f"), ("d", "t"), ("b", "p"), ("g", "k"),
    ("j", "k"), ("y", "i"),
)  # fmt: skip


@lru_cache(maxsize=65536)
def sound(word: str) -> str:
    """The consonants of a word as they sound, its first letter kept: "whiten" and "widen" are both "wtn"."""
    text = word.removeprefix("h") if len(word) > 2 else word
    for written, said in _SOUNDS:
        text = text.replace(written, said)
    key = text[:1] + re.sub(r"[aeiouhw]", "", text[1:])
    return re.sub(r"(.)\1+", r"\1", key)


@lru_cache(maxsize=65536)
def likeness(one: str, other: str) -> float:
    """How alike a misheard word is to a word of the business, 0…1: 0.9 where they sound the same, else the share of
    letter pairs in common (Dice)."""
    if min(len(one), len(other)) < 3 or abs(len(one) - len(other)) > 3:
        return 0.0
    if sound(one) == sound(other) and (len(sound(one)) >= 3 or one[1:] == other or other[1:] == one):
        return 0.9
    left = {one[at : at + 2] for at in range(len(one) - 1)}
    right = {other[at : at + 2] for at in range(len(other) - 1)}
    return 2 * len(left & right) / (len(left) + len(right)) if min(len(one), len(other)) >= 4 else 0.0
