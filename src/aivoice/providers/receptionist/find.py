"""Finding one kind of value in what a caller said. Pure; positions refer to the text as given.

The parsers of `aivoice.speech` do the reading; here are the rules of a form: which day is meant for a birth date, what
"four of us" is, how an order number is put together from letters and digits.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache

from aivoice.providers.receptionist.schema import Field, Option
from aivoice.providers.receptionist.text import STOP, Memo, alike, plain, stem, word_set, words
from aivoice.speech.found import Found
from aivoice.speech.parse_dates import DateSpan, find_dates
from aivoice.speech.parse_emails import Email, find_emails
from aivoice.speech.parse_names import find_address
from aivoice.speech.parse_numbers import Number, find_numbers
from aivoice.speech.parse_phones import Phone, find_phones
from aivoice.speech.parse_times import TimeSpan, find_times

# The parsers are pure and a call's messages are replayed at every turn: remember what was read.
dates = lru_cache(maxsize=4096)(find_dates)
emails = lru_cache(maxsize=4096)(find_emails)
numbers = lru_cache(maxsize=4096)(find_numbers)
_phones = lru_cache(maxsize=4096)(find_phones)
_times = lru_cache(maxsize=4096)(find_times)
_address = lru_cache(maxsize=4096)(find_address)

__all__ = [
    "DateSpan", "Email", "Found", "Number", "Phone", "TimeSpan", "address", "choices", "code", "dates", "days",
    "emails", "free_text", "impossible_day", "integer", "mask", "numbers", "phones", "problem_text", "times",
]  # fmt: skip


def mask(text: str, start: int, end: int) -> str:
    """The text with a stretch blanked out, so that no other value is read from it; positions stay."""
    return text[:start] + " " * (end - start) + text[end:]


def phones(text: str, partial: bool) -> tuple[Found[Phone], ...]:
    return _phones(text, partial=partial)


def times(text: str, expected: bool) -> tuple[Found[TimeSpan], ...]:
    return _times(text, expected=expected)


_MONTH = (
    r"(january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|apr|"
    r"jun|jul|aug|sept?|oct|nov|dec)"
)
_TOO_LATE = r"(thirty second|thirty third|3[2-9](th|nd|rd)?|[4-9]\d(th|st|nd|rd)?)"
_IMPOSSIBLE = re.compile(
    rf"\b(feb(ruary)?( the)? (thirtieth|thirty first|thirty one|thirty|30(th)?|31(st)?)|(thirtieth|"
    rf"thirty first|30th|31st) of feb(ruary)?|(april|june|september|november)( the)? (thirty first|"
    rf"thirty one|31(st)?)|(thirty first|31st) of (april|june|september|november)|"
    rf"{_MONTH}( the)? {_TOO_LATE}|the {_TOO_LATE} of {_MONTH})\b"
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_BACK = re.compile(
    rf"\b(yesterday|last ({'|'.join(_WEEKDAYS)}|night|week)|(\w+) (day|week|month|year)s? ago|"
    rf"the day before yesterday)\b"
)
_COUNT = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "ten": 10,
    "couple": 2,
    "few": 3,
}


def impossible_day(text: str) -> bool:
    """Whether a day was said that no calendar has ("february thirtieth")."""
    return bool(_IMPOSSIBLE.search(plain(text)))


def _looking_back(text: str, today: dt.date) -> Found[DateSpan] | None:
    match = _BACK.search(text.lower())
    if match is None:
        return None
    said = match[1]
    back = 1
    if said.startswith("the day before"):
        back = 2
    elif said.startswith("last ") and match[2] in _WEEKDAYS:
        back = (today.weekday() - _WEEKDAYS.index(match[2])) % 7 or 7
    elif said == "last week":
        back = 7
    elif said.endswith("ago"):
        count = int(match[3]) if match[3].isdigit() else _COUNT.get(match[3], 1)
        back = min(count, 2_000) * {"day": 1, "week": 7, "month": 30, "year": 365}[match[4]]
    day = today - dt.timedelta(days=back)
    return Found(DateSpan(day, day), match.start(), match.end())


def days(text: str, today: dt.date, past_ok: bool) -> tuple[Found[DateSpan], ...]:
    """The days said; for a birth or an accident the last such day instead of the next."""
    back = _looking_back(text, today)
    if back is not None:
        return (back, *days(mask(text, back.start, back.end), today, past_ok))
    if not past_ok:
        return dates(text, today)
    result: list[Found[DateSpan]] = []
    for item in dates(text, today):
        span = item.value
        if span.first > today and span.single:
            try:
                first = span.first.replace(year=span.first.year - 1)
            except ValueError:
                first = span.first - dt.timedelta(days=366)
            if first <= today:
                item = Found(DateSpan(first, first, span.part), item.start, item.end, item.negated)
        result.append(item)
    return tuple(result)


_LEAD = re.compile(
    r"^(?:(?:uh|um|er|well|so|yes|yeah|yep|okay|ok|sure|hi|hello|please|oh|and|no|actually|sorry|it's|"
    r"it is|its|that's|that is|that would be|it would be|i think|just|basically|the (?:problem|issue|"
    r"reason|message|address|answer|matter|name|number) (?:is|was)|my (?:name|address|message|problem|"
    r"issue|reason|number|email|phone number|email address) is|it was|this is|just say|say|tell them|"
    r"tell (?:him|her)|note)(?:\s+that)?[\s,]+)+",
    re.I,
)


def free_text(text: str) -> str:
    """What was said without its run-up ("um, it's for …" → "for …"), at most 300 characters."""
    body = _LEAD.sub("", text.strip(), count=1).strip(" ,.")
    return (body or text.strip(" ,."))[:300]


_PLACE_LEAD = word_set(
    "i'm i am we're we are it's its at on by in is the address my that's uh um yes sure okay so located live"
)


def address(text: str, expected: bool) -> Found[str] | None:
    """A street address; when asked for, any place of two words or more ("exit 12 on the turnpike")."""
    hit = _address(text, expected=expected)
    before = words(text[: hit.start]) if hit is not None else ()
    if hit is not None and (not expected or all(word in _PLACE_LEAD for word in before)):
        return hit
    body = free_text(text)
    body = re.sub(
        r"^(i'm|i am|we're|we are)( (at|on|near|by|in))?\s+",
        lambda m: (m[3] + " ") if m[3] and m[3] != "at" else "",
        body,
        flags=re.I,
    )
    return Found(body, 0, len(text)) if expected and len(words(body)) >= 2 and not NO_PLACE.search(body) else None


NO_PLACE = re.compile(
    r"^(?:(?:i|i'm|we) )?(?:guess|think|mean|suppose|don't|do not|not sure|said|told|just|rather)\b", re.I
)
_PROBLEM = re.compile(
    r"\b((?:my|our|the) (?!name|number|phone|email|appointment|address|time|date|day|first|next|last|same|"
    r"best)\w+(?: \w+){0,5}? (?:is|are|was|has|have|hurts?|keeps?|won't|isn't|broke|doesn't|leaks?|got|"
    r"stopped|died|exploded|needs?|smells?|went)\b[^.;?!]*|(?:there's|there is|i have|i've got|we have|"
    r"we've got|i'm having|we're having|i had) (?:a|an|no|some|water|terrible|really|bad|severe|pain|"
    r"the)\b[^.;?!]*|i (?:broke|lost|chipped|cracked|was|got|hurt|fell|crashed)\b[^.;?!]*|(?:because|"
    r"it's about|this is about|it's regarding|regarding|it's for) [^.;?!]*)",
    re.I,
)
_PROBLEM_END = re.compile(
    r",? (?:and|so|but)?,? ?(?:i (?:need|want|would like|was wondering)|i'd like|"
    r"(?:can|could) (?:you|i|we|someone|somebody)|please|do you|what|how|my name|when)\b.*$",
    re.I,
)


def problem_text(text: str) -> str:
    """The complaint in a first sentence: "I need a plumber, my sink is leaking" → "my sink is leaking"; or ""."""
    match = _PROBLEM.search(text)
    if match is None:
        return ""
    body = _PROBLEM_END.sub("", match[0]).strip(" ,.")
    return (
        re.sub(r"^(because|it's about|this is about|it's regarding|regarding) ", "", body, flags=re.I)[:300]
        if len(words(body)) >= 3
        else ""
    )


_PARTY = frozenset({"part", "peopl", "person", "guest", "cover", "seat", "adult", "din"})
_US = re.compile(r"\b(?:just|only) (me|myself|us two|one of us)\b")
_GROUP = re.compile(
    r"\b(?:party|table|group|family|room|seats?|places?) (?:of|for)\s*$|\bfor\s*$|\bthere(?:'s| are|"
    r" will be|'ll be)(?: about)?\s*$|\bwe(?:'re| are| will be)\s*$"
)


def integer(text: str, field: Field, expected: bool) -> Found[float] | None:
    """A number for `field`: any when it was asked for, else one beside the field's own words ("four people")."""
    found = [item for item in numbers(text) if not item.value.ordinal and not item.negated]
    lowered = text.lower()
    party = any(hint in _PARTY or any(alike(hint, other) for other in _PARTY) for hint in field.hints)
    for item in found:
        after = [stem(w) for w in words(lowered[item.end : item.end + 40])[:2]]
        before = [stem(w) for w in words(lowered[max(0, item.start - 40) : item.start])[-3:]]
        beside = any(alike(word, hint) for word in after for hint in field.hints if len(hint) > 2)
        lead = any(alike(word, hint) for word in before for hint in field.hints if len(hint) > 2)
        grouped = party and (
            _GROUP.search(lowered[: item.start])
            or re.match(
                r"\s*(of us(?! (?:is|are|has|have|can|needs?|wants?)\b)|people|persons|guests|adults)\b",
                lowered[item.end :],
            )
        )
        if beside or lead or grouped:
            return Found(item.value.value, item.start, item.end)
    alone = _US.search(lowered) if party else None
    if alone:
        return Found(2.0 if "two" in alone[0] else 1.0, alone.start(), alone.end())
    if expected and found:
        pick = found[-1] if len(found) > 1 and re.search(r"\b(no|sorry|actually|wait|mean)\b", lowered) else found[0]
        return Found(pick.value.value, pick.start, pick.end)
    return None


_DIGIT_WORD = {
    "zero": "0", "oh": "0", "o": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9",
}  # fmt: skip
_CODE_TOKEN = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")


def code(text: str, field: Field, expected: bool) -> Found[str] | None:
    """An order number, plate or postcode: letters and digits run together ("a b twelve three" → "AB123")."""
    start = 0
    label = max((m.end() for m in re.finditer(re.escape(field.label), text, re.I)), default=-1)
    if label >= 0:
        start = label
    elif not expected:
        return None
    out, first, last = "", -1, start
    for match in _CODE_TOKEN.finditer(text, start):
        word = match[0].lower()
        piece = _code_piece(word, match[0])
        if not piece and word in ("dash", "hyphen", "space"):
            continue
        if not piece:
            if out and len(out) >= 2:
                break
            out, first = "", -1
            continue
        if word == "a" and not out and not re.match(r"\s*[A-Za-z0-9]\b|\s*\d", text[match.end() :]):
            continue
        first = match.start() if first < 0 else first
        out, last = out + piece, match.end()
    if len(out) < 2 or (not any(ch.isdigit() for ch in out) and len(out) < 3):
        return None
    return Found(out.upper(), first, last)


def _code_piece(word: str, raw: str) -> str:
    if any(ch.isdigit() for ch in word):
        return word.replace("-", "")
    if word in _DIGIT_WORD and word != "o":
        return _DIGIT_WORD[word]
    spelled = numbers(word)
    if spelled and not spelled[0].value.ordinal and spelled[0].end == len(word):
        return str(int(spelled[0].value.value))
    if len(word) <= 4 and word.isalpha() and (raw.isupper() or not re.search(r"[aeiouy]", word)) and len(word) > 1:
        return word
    return word if len(word) == 1 else "".join(word.split("-")) if re.fullmatch(r"[a-z](-[a-z])+", word) else ""


_ORDINALS = (("first", "1st"), ("second", "2nd"), ("third", "3rd"), ("fourth", "4th"), ("fifth", "5th"))


def ordinal_pick(text: str, count: int) -> int | None:
    """ "the second one", "the last" among `count` offered things → its index."""
    said = plain(text)
    if re.search(r"\b(the )?last( one)?\b", said) and count:
        return count - 1
    for index, ways in enumerate(_ORDINALS[:count]):
        if any(
            re.search(
                rf"\b(the )?{way}( one| option| slot| time)?$|\bthe {way}\b( one| option| slot| time| please)?", said
            )
            for way in ways
        ):
            return index
    if re.search(r"\b(the )?(earliest|soonest)\b", said) and count:
        return 0
    return count - 1 if count and re.search(r"\b(the )?latest\b", said) else None


# Alone, these name no option.
_WEAK = STOP | word_set("first second third other new old last next part type visit appointment servic")


Choices = tuple[tuple[Option, int, int], ...]
_CHOICES: Memo[Choices] = Memo(4096)


def choices(text: str, options: tuple[Option, ...], expected: bool) -> Choices:
    """The options named in `text`, in order of mention with their place. A word shared by several options names none of
    them; one that belongs to a single option is enough when it was asked for or is a long word."""
    return _CHOICES.get(text, options, expected, lambda: _named(text, options, expected))


def _named(text: str, options: tuple[Option, ...], expected: bool) -> Choices:
    spots = [(m.start(), m.end(), stem(m[0].lower())) for m in re.finditer(r"[A-Za-z0-9]+(?:'[a-z]+)?", text)]
    if not spots:
        return ()
    scored: list[tuple[float, Option, int, int]] = []
    for option in options:
        best: tuple[float, int, int] | None = None
        for number, way in enumerate(option.stems):
            hits = [[spot for spot in spots if alike(spot[2], want)] for want in way]
            share = sum(1 for hit in hits if hit) / len(way)
            own = number == 0 and any(
                hit and len(want) >= (3 if expected else 4) and want not in _WEAK and not _shared(want, option, options)
                for hit, want in zip(hits, way, strict=True)
            )
            if share == 1 or (own and share > 0):
                flat = [spot for hit in hits for spot in hit[:1]]
                rank = share + 0.01 * len(way)
                if best is None or rank > best[0]:
                    best = (rank, min(spot[0] for spot in flat), max(spot[1] for spot in flat))
        if best is not None and not re.search(
            r"\b(?:not|isn't|instead of|no) (?:the |a |an |my )?$", text[: best[1]].lower()
        ):
            scored.append((best[0], option, best[1], best[2]))
    scored.sort(key=lambda item: (-item[0], item[2]))
    kept: list[tuple[float, Option, int, int]] = []
    for item in scored:
        if all(item[3] <= other[2] or item[2] >= other[3] for other in kept):
            kept.append(item)
    return tuple((option, start, end) for _, option, start, end in sorted(kept, key=lambda item: item[2]))


def _shared(want: str, option: Option, options: tuple[Option, ...]) -> bool:
    return any(alike(want, other) for one in options if one is not option for way in one.stems for other in way)
