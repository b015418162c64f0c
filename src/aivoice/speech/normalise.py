"""`normalise`: text as it is written → text as a person says it, before any synthesiser sees it.

Pure. It never raises, for any Unicode; its output holds no digits, only words, apostrophes, hyphens and ``, . ; : !
?``.
A capital letter standing alone is the name of that letter ("nine thirty A M"); the article is always "a". Times are
said by the twelve-hour clock. Every spoken word belongs to one source word, in order (`Spoken.word_map`), so audio
can be
cut at source words; nothing is ever moved across a source word.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from aivoice.speech import say_numbers as n
from aivoice.speech.context import Context, Lexicon, Word, split_word
from aivoice.speech.say_compound import compound
from aivoice.speech.say_known import joins_numbers, known
from aivoice.speech.say_quantities import RULES
from aivoice.speech.say_words import (
    ABBREVIATIONS,
    COMPASS,
    FULL_WEEKDAYS,
    MAGNITUDES,
    MONTHS,
    NAME_BEFORE,
    STREET_AFTER,
    UNITS,
    WEEKDAYS,
)  # fmt: skip
from aivoice.speech.spoken import SourceWord, Spoken, weight_ms
from aivoice.speech.tags import glued, tag_words

MAX_WORD = 400
"""Characters of one source word that are said; the rest of a longer one is dropped."""
_CONTEXT_WORDS = 6
_NO_LEXICON: Lexicon = {}


def normalise(text: str, lexicon: Lexicon = _NO_LEXICON, *, before: str = "") -> Spoken:
    """The spoken form of one clause.

    lexicon: the business's pronunciations, written form → how to say it; case does not matter, several words may stand
    together. before: what was said just before this clause, for words that depend on it ("… at 9:30" | "am").
    Tags such as ``[laugh]`` stay as they are.
    """
    source = text.split()
    tags = tag_words(source)
    earlier = [split_word(raw[:MAX_WORD]) for raw in before.split()[-_CONTEXT_WORDS:]]
    words = (*earlier, *(split_word((glued(raw) or "—")[:MAX_WORD]) for raw in source))
    base = len(earlier)
    given = _from_lexicon(words, base, lexicon) | _phone_spans(words, base)
    spoken: list[str] = []
    entries: list[SourceWord] = []
    word_map: list[int] = []
    for index, raw in enumerate(source):
        if index in tags:  # a voice that does not know them is not given them (`providers.untagged`)
            entries.append(SourceWord(raw, len(spoken), 1, weight_ms(tags[index])))
            spoken.append(tags[index])
            word_map.append(index)
            continue
        context = Context(words, base + index)
        said = given.get(base + index)
        pieces = _sounds(_say(words[base + index], context) if said is None else said)
        mark = _mark(words[base + index], context)
        if pieces and spoken and raw[0] == "(" and spoken[-1][-1] not in ",.;:!?" and not words[base + index].numeric:
            spoken[-1] += ","
        if pieces and mark:
            pieces[-1] = pieces[-1].rstrip(",.;:!?") + mark
        elif not pieces and spoken and _pauses(words[base + index]) and spoken[-1][-1] not in ",.;:!?":
            spoken[-1] += ","
        entries.append(SourceWord(raw, len(spoken), len(pieces), weight_ms(" ".join(pieces))))
        spoken.extend(pieces)
        word_map.extend([index] * len(pieces))
    return Spoken(" ".join(spoken), tuple(entries), tuple(word_map))


def _pauses(word: Word) -> bool:
    """A dash or bullet on its own is a pause."""
    return any(mark in word.raw for mark in "-–—―:;,.")


def _mark(word: Word, context: Context) -> str:
    """The prosody mark behind a word; the full stop of an abbreviation ends nothing unless it ends the clause."""
    stop = word.stop
    if stop == "." and not context.last and _takes_stop(word, context):
        return "," if "," in word.tail else ""
    return stop or ("," if ")" in word.tail and not context.last and not word.numeric else "")


def _takes_stop(word: Word, context: Context) -> bool:
    low = word.low
    if low in ("a.m", "p.m", "am", "pm") or low.endswith(("a.m", "p.m")):
        return not (context.after.capital and context.after.low not in FULL_WEEKDAYS)
    if "." in word.core and len(low) <= 7 and all(len(part) == 1 for part in low.split(".")):
        return True
    short = low in ABBREVIATIONS or low in STREET_AFTER or low in NAME_BEFORE or low in COMPASS
    if short or low in MONTHS or low in WEEKDAYS or low == "no" or low in UNITS:
        return len(low) > 1 or context.before.numeric or context.after.capital
    return len(low) == 1 and word.capital and context.after.capital  # an initial


# ------------------------------------------------------------------ what spans several source words


def _from_lexicon(words: tuple[Word, ...], base: int, lexicon: Lexicon) -> dict[int, str]:
    """Pronunciations by index. A phrase's words share its pronunciation in order, the first ones taking what is
    over."""
    if not lexicon:
        return {}
    table = _lexicon_table(tuple(lexicon.items()))
    longest = max((len(key) for key in table), default=0)
    lows = [word.low for word in words]
    result: dict[int, str] = {}
    index = base
    while index < len(words):
        for size in range(min(longest, len(words) - index), 0, -1):
            key = tuple(lows[index : index + size])
            possessive = key[-1].endswith("'s") and (*key[:-1], key[-1][:-2]) in table and key not in table
            said = table.get((*key[:-1], key[-1][:-2]) if possessive else key)
            if said is not None:
                parts = _shared(said + ("'s" if possessive else ""), size)
                result.update({index + offset: part for offset, part in enumerate(parts)})
                index += size - 1
                break
        index += 1
    return result


@lru_cache(maxsize=64)
def _lexicon_table(items: tuple[tuple[str, str], ...]) -> dict[tuple[str, ...], str]:
    table: dict[tuple[str, ...], str] = {}
    for written, said in items:
        key = tuple(split_word(raw[:MAX_WORD]).low for raw in written.split())
        if key and all(key):
            table[key] = said
    return table


def _shared(said: str, size: int) -> list[str]:
    pieces = said.split()
    if size == 1:
        return [said]
    each, over = divmod(len(pieces), size)
    parts: list[str] = []
    at = 0
    for index in range(size):
        take = each + (1 if index < over else 0)
        parts.append(" ".join(pieces[at : at + take]))
        at += take
    return parts


_GROUP = re.compile(r"\+?\(?[0-9]{1,7}\)?(?:[-.)/][0-9]{2,7}){0,3}\)?")


def _phone_spans(words: tuple[Word, ...], base: int) -> dict[int, str]:
    """Telephone numbers written with spaces: "(555) 010-4477", "+44 7700 900123", "020 7946 0018"."""
    result: dict[int, str] = {}
    index = base
    while index < len(words):
        stop = index
        while stop < len(words) and _GROUP.fullmatch(_bracketed(words[stop])):
            stop += 1
            if words[stop - 1].stop:
                break
        groups = [re.findall(r"[0-9]+", words[at].core) for at in range(index, stop)]
        digits = "".join(part for group in groups for part in group)
        if stop - index >= 2 and 7 <= len(digits) <= 15 and _dials(words, index, groups):
            for at in range(index, stop):
                said = ", ".join(n.each(part) for part in groups[at - index])
                plus = "plus " if words[at].raw.lstrip("(").startswith("+") else ""
                result[at] = plus + said + ("," if at < stop - 1 else "")
        index = max(stop, index + 1)
    return result


def _bracketed(word: Word) -> str:
    return word.core.strip("()")


def _dials(words: tuple[Word, ...], index: int, groups: list[list[str]]) -> bool:
    """Whether neighbouring digit groups are one number rather than a list of amounts."""
    first = words[index].raw
    sizes = [len(part) for group in groups for part in group]
    return first[0] in "+(0" or (min(sizes) >= 2 and max(sizes) >= 3) or sizes in ([3, 3, 4], [3, 4], [1, 3, 3, 4])


# ------------------------------------------------------------------ one source word


def _say(word: Word, context: Context) -> str:
    core = word.core
    if not core:
        return "to" if joins_numbers(word, context) else ""
    said = known(word, context)
    if said is not None:
        return said
    if core.isalpha() and word.low not in MAGNITUDES:
        return compound(core, context)  # no rule is about letters alone
    for rule in RULES:
        said = rule(core, context)
        if said is not None:
            return said
    return compound(core, context)


# ------------------------------------------------------------------ what may be sounded at all


def _sounds(said: str) -> list[str]:
    """Spoken words with everything removed that cannot be said; the last resort against digits and symbols."""
    if said.isalpha() and said.isascii():
        return [said]
    if said.isascii() and not any(character.isdigit() for character in said):
        cleaned = said
    else:
        cleaned = "".join(_speakable(character) for character in said)
    words: list[str] = []
    for raw in _UNSAYABLE.sub(" ", cleaned).split():
        mark = next((m for m in "?!.;:," if m in raw[len(raw.rstrip(",.;:!?")) :]), "")
        word = raw.strip(",.;:!?'-")
        if word:
            words.append(re.sub(r"[,.;:!?]+", "", word) + mark)
        elif mark and words and words[-1][-1] not in ",.;:!?":
            words[-1] += mark
    return words


_UNSAYABLE = re.compile(r"[^\w\s',.;:!?\-]|_")


def _speakable(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "N":
        value = unicodedata.numeric(character, None)
        whole = value is not None and value == int(value) and 0 <= value < 10**12
        return f" {n.cardinal(str(int(value)))} " if whole and value is not None else " "
    return character if category[0] in "LM" or character in "',.;:!?-" else " "
