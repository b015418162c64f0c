"""What no rule knows, piece by piece: hyphens and slashes, letters with digits, initialisms, symbols."""

from __future__ import annotations

import re

from aivoice.speech import say_numbers as n
from aivoice.speech.context import Context
from aivoice.speech.say_quantities import RULES
from aivoice.speech.say_words import ACRONYM_WORDS, PER, SHOUTED, SPELLED, SYMBOLS
from aivoice.speech.say_written import letters

_PARTS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|[0-9]+(?:[.,][0-9]+)*|[^\w\s]|_")


def compound(core: str, context: Context) -> str:
    """What no rule knows, piece by piece: hyphens and slashes, letters with digits, initialisms, symbols."""
    if "—" in core or "--" in core or "..." in core:
        return ", ".join(compound(part, context) for part in re.split(r"—|--+|\.{3,}", core) if part)
    if re.fullmatch(r"(?:[^\W\d_]\.){1,6}[^\W\d_]\.?", core):
        return letters(core)
    if re.fullmatch(r"[^\W\d_]+(?:/[^\W\d_]+)+", core):
        sides = [_word(side, context) if len(side) > 1 else side.upper() for side in core.split("/")]
        if all(len(side) == 1 for side in sides):
            return " ".join(sides)  # A/C
        if len(sides) == 2 and context.before.numeric and sides[1].lower() in PER:
            return f"{sides[0]} per {PER[sides[1].lower()]}"  # 7 days/week
        return (" " if core.lower() == "and/or" else " or ").join(sides)
    if re.fullmatch(r"[^\W\d_]+(?:['-][^\W\d_]+)*", core):
        return _word(core, context) if "-" not in core else _hyphened(core, context)
    parts = core.split("-")
    if len(parts) > 1 and all(part.isalnum() for part in parts) and any(_mixed(part) for part in parts):
        return " ".join(_part(part, context) for part in parts)  # 2nd-floor, mid-1990s
    out: list[str] = []
    pieces = _PARTS.findall(core)
    for index, piece in enumerate(pieces):
        if piece[0].isdigit():
            plain = piece.replace(",", "")
            short = (len(plain) <= 3 or plain != piece) and plain[0] != "0"
            out.append(n.decimal(plain) if short or "." in plain else n.each(plain))
        elif piece[0].isalpha():
            mixed = index > 0 and pieces[index - 1][-1].isdigit()
            short = (len(piece) <= 2 and piece.isupper()) or (len(piece) == 1 and mixed)
            out.append(letters(piece) if short else _word(piece, context))
        elif piece in SYMBOLS:
            out.append(SYMBOLS[piece])
    return " ".join(out)


def _mixed(part: str) -> bool:
    return any(character.isdigit() for character in part) and any(character.isalpha() for character in part)


def _part(part: str, context: Context) -> str:
    for rule in RULES:
        said = rule(part, context)
        if said is not None:
            return said
    return compound(part, context)


def _hyphened(core: str, context: Context) -> str:
    parts = core.split("-")
    if all(len(part) == 1 for part in parts) and len(parts) > 2:
        return letters(core)  # S-M-I-T-H
    if any(part.isupper() and len(part) > 1 for part in parts) or len(parts[0]) == 1:
        return " ".join(_word(part, context) if len(part) > 1 else part.upper() for part in parts)
    return core


def _word(core: str, context: Context) -> str:
    """A run of letters: an initialism is spelled, a shouted word is not."""
    bare = core[:-1] if core.endswith("s") and core[:-1].isupper() and len(core) > 2 else core
    if len(bare) < 2 or not bare.isupper() or not bare.isascii():
        return core
    low = bare.lower()
    plural = "'s" if bare != core else ""
    if low in SPELLED and not (low == "us" and _shouting(context)):
        return letters(bare) + plural
    if low in ACRONYM_WORDS:
        return core
    if low in SHOUTED or _shouting(context):
        return low + ("s" if plural else "")
    vowels = any(character in "aeiouy" for character in low)
    return letters(bare) + plural if len(low) <= 3 or (not vowels and len(low) <= 6) else low + ("s" if plural else "")


def _shouting(context: Context) -> bool:
    """A clause all in capitals is loud, not full of initialisms."""
    alphabetic = [word.core for word in context.words if len(word.core) > 1 and word.core.isalpha()]
    return len(alphabetic) >= 3 and all(core.isupper() for core in alphabetic)
