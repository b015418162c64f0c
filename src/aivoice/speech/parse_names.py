"""People's names and street addresses in what a caller says.

`find_name(text, expected=…)`: "my name is Anna Bell", "it's Anna", "Bell, B-E-L-L"; `find_address(text, expected=…)`:
"fourteen elm street apartment three".
"""

from __future__ import annotations

from dataclasses import dataclass

from aivoice.speech.found import Found, Token, tokenise, word_at, word_set, words_at
from aivoice.speech.parse_dates import MONTHS, PARTS, WEEKDAYS
from aivoice.speech.parse_emails import find_spelled
from aivoice.speech.parse_numbers import TEENS, TENS, UNITS, cardinal


@dataclass(frozen=True, slots=True)
class Name:
    """name: capitalised ("Anna Bell", "O'Brien", "van der Berg"). spelled: letters were given, so it is surely
    right."""

    name: str
    spelled: bool = False


_STRONG = (
    ("my", "name", "is"), ("my", "name's"), ("the", "name", "is"), ("name", "is"), ("the", "name's"), ("name's"),
    ("my", "full", "name", "is"), ("you", "can", "call", "me"), ("call", "me"), ("under", "the", "name"),
    ("under", "the", "name", "of"), ("my", "last", "name", "is"), ("my", "first", "name", "is"),
    ("in", "the", "name", "of"),
    ("it's", "under"), ("the", "patient's", "name", "is"), ("her", "name", "is"), ("his", "name", "is"),
)  # fmt: skip
_WEAK = (
    ("this", "is"),
    ("i'm",),
    ("i", "am"),
    ("it's",),
    ("it", "is"),
    ("for",),
    ("that's",),
    ("speaking", "with"),
    ("under",),
)
_FILLERS = word_set(
    "yes yeah yep sure okay ok um uh er erm well oh hi hello so right of course it's its it is that's the name my and "
    "certainly absolutely hey good morning afternoon evening thanks thank you"
)
# Words that follow "I'm", "it's", "this is", "for" without being a name.
_COMMON = word_set(
    "a an the my your our his her their about actually after all also always an any anything around as at available "
    "away "
    "back bad because been before better bit booked booking both broken but by call calling can cancel canceling "
    "changing "
    "checking coming concerned curious currently day dentist dental doing done down during each early else emergency "
    "experiencing fine for free from getting go going gonna good got great had happy has have having he hello her here "
    "hey hi him home hoping hot house how hungry hurting i i'd i'll i'm i've if in inside interested into is it it's "
    "just kind late later leaking leave leaving like live living located long looking lost lot me maybe mine more most "
    "moving much need needing never new next nice no not now of off ok okay on one only open or other our out "
    "outside over "
    "pain patient please pretty probably quite ready really regarding right running same scheduled see seeing she sick "
    "so some somebody someone something soon sorry speaking still stuck sure than thank thanks that that's the their "
    "them then there these they think this those though to today tomorrow too trying two under unsure until up urgent "
    "us using very visiting wait waiting want wanting was we well were what when where which who why will with "
    "wondering "
    "work working worried would yeah yes yesterday yet you your great-grandmother water pipe sink toilet boiler drain "
    "tooth teeth cleaning checkup check-up appointment reschedule rescheduling return returning regarding price cost "
    "possible fully certain cold quick question actually afraid able allergic insured uninsured pregnant"
)
_PARTICLES = frozenset(
    {"van", "der", "den", "de", "la", "le", "di", "da", "von", "bin", "al", "el", "del", "dos", "st"}
)
_TITLES = {"mr": "Mr", "mister": "Mr", "mrs": "Mrs", "miss": "Miss", "ms": "Ms", "doctor": "Dr", "dr": "Dr"}
_ENDS = word_set(
    "and i i'm i'd my please thanks thank calling from here speaking with at on to but it's that's the is for a an "
    "in you "
    "can could would need want have spelled spelt phone number email address so yes no by the way or wait sorry who "
    "not actually just tomorrow today"
)


def _capitalise(word: str) -> str:
    if word in _PARTICLES:
        return word
    if word.startswith("mc") and len(word) > 3:
        return "Mc" + word[2:].capitalize()
    head, mark, tail = word.partition("'")
    return head.capitalize() + mark + (tail.capitalize() if len(tail) > 1 else tail)


def _take(tokens: tuple[Token, ...], index: int, *, cased: bool) -> tuple[list[str], int]:
    """The words of a name from `index`, at most five, and the index after them."""
    words: list[str] = []
    at = index
    while at < len(tokens) and len(words) < 5:
        token = tokens[at]
        word = token.word
        known = word in UNITS or word in TEENS or word in TENS or word in WEEKDAYS or word in PARTS
        if token.is_digits or known or word in _ENDS or len(word) > 24 or not word.replace("'", "").isalpha():
            break
        if words and any(mark in token.gap for mark in ".,;!?:") and not _initial(words[-1]):
            break
        if len(word) == 1 and len(word_at(tokens, at + 1)) == 1 and word_at(tokens, at + 1).isalpha():
            break  # the spelling begins
        if cased and not token.raw[0].isupper() and word not in _PARTICLES:
            break
        if words and token.raw.isupper() and len(word) >= 3 and _alike(words[-1], word) >= 0.6:
            break  # the spelling of the name before it, run together
        if word in _COMMON and not (cased and token.raw[0].isupper() and words):
            break
        words.append(_TITLES.get(word, _capitalise(word)))
        at += 1
    while words and words[-1] in _PARTICLES:
        words.pop()
        at -= 1
    return words, at


def _initial(word: str) -> bool:
    return len(word) == 1 or word in _TITLES.values()


def find_name(text: str, *, expected: bool = False) -> Found[Name] | None:
    """The caller's name in `text`, or None.

    expected: the receptionist has just asked for it, so a bare "Anna Bell" is one. Text with capital letters (a
    recogniser that writes case) lets "I'm Anna" through and stops "I'm calling"; all-lower-case text goes by word
    lists.
    A spelled word replaces the name it resembles ("Bell, B-E-L-L-E" → "Belle").
    """
    tokens = tokenise(text)
    cased = any(
        token.raw[0].isupper() and token.word not in ("i", "i'm", "i'd", "i'll", "i've") for token in tokens[1:]
    )
    spelled = find_spelled(text) or _capitals(tokens, cased)
    for patterns, strict in ((_STRONG, False), (_WEAK, True)):
        for index in range(len(tokens)):
            for words in sorted(patterns, key=len, reverse=True):
                if not words_at(tokens, index, *words):
                    continue
                first = index + len(words)
                got, stop = _take(tokens, first, cased=cased and strict)
                if got:
                    return _with_spelling(got, tokens, first, stop, spelled)
    if expected:
        return _bare(text, tokens, spelled)
    return None


def _capitals(tokens: tuple[Token, ...], cased: bool) -> tuple[Found[str], ...]:
    """Letters run together by a recogniser: "Miller, MILLER" after "m i double l e r" was said."""
    if not cased:
        return ()
    return tuple(
        Found(token.word, token.start, token.end)
        for token in tokens[1:]
        if len(token.raw) >= 3 and token.raw.isupper() and token.raw.isalpha()
    )


def _bare(text: str, tokens: tuple[Token, ...], spelled: tuple[Found[str], ...]) -> Found[Name] | None:
    at = 0
    while at < len(tokens) and tokens[at].word in _FILLERS:
        at += 1
    got, stop = _take(tokens, at, cased=False)
    if got and at < len(tokens):
        return _with_spelling(got, tokens, at, stop, spelled)
    if spelled:
        only = spelled[0]
        return Found(Name(only.value.capitalize(), True), only.start, only.end)
    return None


def _with_spelling(
    words: list[str], tokens: tuple[Token, ...], first: int, stop: int, spelled: tuple[Found[str], ...]
) -> Found[Name]:
    start, end = tokens[first].start, tokens[stop - 1].end
    later = [item for item in spelled if item.start >= end]
    if not later:
        return Found(Name(" ".join(words)), start, end)
    result = list(words)
    for item in later:
        best = max(range(len(result)), key=lambda index: (_alike(result[index], item.value), index))
        if _alike(result[best], item.value) >= 0.4:
            result[best] = item.value.capitalize()
        elif len(result) == 1:
            result.append(item.value.capitalize())
        else:
            result[-1] = item.value.capitalize()
    return Found(Name(" ".join(result), True), start, later[-1].end)


def _alike(name: str, letters: str) -> float:
    """Share of letters in common at the start or as a set: enough to pair "Bell" with b-e-l-l-e."""
    lower = name.lower()
    same = sum(1 for left, right in zip(lower, letters, strict=False) if left == right)
    return same / max(len(lower), len(letters), 1)


_STREET_WORDS = word_set(
    "street st avenue ave road rd lane ln drive dr way place pl court ct close crescent boulevard blvd highway hwy "
    "terrace "
    "square sq parkway pkwy circle trail alley row hill gardens grove mews walk quay wharf pike"
)
_UNITS = frozenset({"apartment", "apt", "unit", "suite", "flat", "floor", "room", "number"})


_NOT_A_STREET = _COMMON - {"the"} | {"pm", "am", "o'clock"}


def find_address(text: str, *, expected: bool = False) -> Found[str] | None:
    """A street address in `text`, numbers as digits, words capitalised: "14 Elm Street Apartment 3", or None.

    It needs a house number and, unless `expected`, a street word; expected text without a street word is taken from its
    first number on ("twelve the moorings").
    """
    tokens = tokenise(text)
    for index in range(len(tokens)):
        house = _house(tokens, index)
        if house is None:
            continue
        street = next(
            (at for at in range(house[1] + 1, min(house[1] + 6, len(tokens))) if _is_street(tokens, at)), None
        )
        if street is None:
            if not expected or house[1] >= len(tokens) or tokens[house[1]].word in _NOT_A_STREET:
                continue
            stop = house[1]
            while stop < len(tokens) and stop - house[1] < 4 and tokens[stop].word not in _ENDS:
                stop += 1
            if stop == house[1]:
                continue
            body = " ".join(_capitalise(token.word) for token in tokens[house[1] : stop])
            return Found(f"{house[0]} {body}", tokens[index].start, tokens[stop - 1].end)
        body = " ".join(_capitalise(tokens[at].word) for at in range(house[1], street + 1))
        unit, stop = _unit(tokens, street + 1)
        town, stop = _town(tokens, stop)
        return Found(f"{house[0]} {body}{unit}{town}", tokens[index].start, tokens[stop - 1].end)
    return None


def _is_street(tokens: tuple[Token, ...], at: int) -> bool:
    return word_at(tokens, at) in _STREET_WORDS


def _house(tokens: tuple[Token, ...], index: int) -> tuple[str, int] | None:
    """A house number: "14", "fourteen", "twelve fifty", "one oh five", "14b"."""
    digits, at = "", index
    while at < len(tokens) and len(digits) < 6:
        word = word_at(tokens, at)
        if tokens[at].is_digits and word_at(tokens, at + 1) in ("st", "nd", "rd", "th") and not tokens[at + 1].gap:
            break  # "24th" belongs to the street's name
        if word == "oh" and digits:
            digits, at = digits + "0", at + 1
            continue
        number = cardinal(tokens, at)
        if number is None or (digits and any(mark in tokens[at].gap for mark in ",.;")):
            break
        digits, at = digits + str(number[0]), number[1]
    letter = word_at(tokens, at)
    if digits and len(letter) == 1 and letter.isalpha() and tokens[at].gap in ("", "-") and not digits.endswith("00"):
        return digits + letter.upper(), at + 1
    return (digits, at) if digits else None


def _town(tokens: tuple[Token, ...], at: int) -> tuple[str, int]:
    """The place behind a street, where it is written with capitals: "12 Mill Lane, Harbour Point"."""
    stop = at
    while stop < len(tokens) and stop - at < 3:
        token = tokens[stop]
        known = any(token.word in table for table in (_ENDS, WEEKDAYS, MONTHS, PARTS, _COMMON))
        parted = token.gap.strip() not in (("", ",") if stop == at else ("",))
        if known or parted or not (token.raw[:1].isupper() and token.raw.isalpha()):
            break
        stop += 1
    if stop == at:
        return "", at
    return f", {' '.join(token.raw for token in tokens[at:stop])}", stop


def _unit(tokens: tuple[Token, ...], at: int) -> tuple[str, int]:
    if word_at(tokens, at) not in _UNITS:
        return "", at
    kind = word_at(tokens, at)
    number = cardinal(tokens, at + 1)
    if number is not None:
        return f" {kind.capitalize()} {number[0]}", number[1]
    follows = word_at(tokens, at + 1)
    return (f" {kind.capitalize()} {follows.upper()}", at + 2) if len(follows) == 1 else ("", at)
