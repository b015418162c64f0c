"""Spoken and spelled e-mail addresses: "a n n a at gmail dot com", "anna dot b at example dot com",
"A-N-N-A@gmail.com".

`find_emails(text)`; `find_spelled(text)` gives words spelled letter by letter ("s m i t h", "S-M-I-T-H",
"m as in mother", "double n").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aivoice.speech.found import MAX_CHARS, Found, word_set
from aivoice.speech.parse_numbers import TEENS, TENS, UNITS


@dataclass(frozen=True, slots=True)
class Email:
    """address: lower case ASCII. assumed: the ending was not said ("at gmail" → gmail.com): read it back."""

    address: str
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    start: int
    end: int
    spaced: bool  # white space stands before it


_PIECE = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|[0-9]+|[@._+\-]")
_SYMBOLS = {
    "dot": ".",
    "point": ".",
    "period": ".",
    "underscore": "_",
    "dash": "-",
    "hyphen": "-",
    "minus": "-",
    "plus": "+",
}
_STOPS = word_set(
    "is it's its email mail address me my that's yes yeah yep sure um uh er okay ok the so at and use well send to "
    "on by "
    "reach contact would be will it of for thanks please right correct no sorry actually spelled spelt name just i'm "
    "am with "
    "this about here best or"
)
_NOISE = frozenset({"capital", "lowercase", "uppercase", "letter", "number"})
_PROVIDERS = {
    "gmail": "com", "googlemail": "com", "yahoo": "com", "hotmail": "com", "outlook": "com", "icloud": "com",
    "aol": "com", "live": "com", "msn": "com", "proton": "me", "protonmail": "com",
}  # fmt: skip
_TLD = re.compile(r"^[a-z]{2,18}$")
_LETTER_NAMES = {
    "ay": "a", "bee": "b", "cee": "c", "dee": "d", "ee": "e", "ef": "f", "gee": "g", "aitch": "h", "haitch": "h",
    "jay": "j", "kay": "k", "el": "l", "em": "m", "en": "n", "pee": "p", "cue": "q", "queue": "q", "ar": "r",
    "ess": "s", "tee": "t", "vee": "v", "ex": "x", "wye": "y", "zee": "z", "zed": "z",
}  # fmt: skip


def _pieces(text: str) -> list[_Piece]:
    result: list[_Piece] = []
    last = 0
    for match in _PIECE.finditer(text[:MAX_CHARS]):
        between = text[last : match.start()]
        result.append(
            _Piece(match.group().lower(), match.start(), match.end(), bool(between.strip(" ") or " " in between))
        )
        last = match.end()
    return result


def _is_at(pieces: list[_Piece], index: int) -> bool:
    return 0 <= index < len(pieces) and pieces[index].text in ("at", "@")


def _symbol(pieces: list[_Piece], index: int) -> str:
    """The joining character that stands at `index`, or "". A written full stop followed by a space ends a sentence."""
    if not 0 <= index < len(pieces):
        return ""
    piece = pieces[index]
    if piece.text in _SYMBOLS:
        return _SYMBOLS[piece.text]
    if piece.text in "._+-":
        alone = index + 1 < len(pieces) and pieces[index + 1].spaced
        return "" if alone else piece.text
    return ""


def _number(word: str, following: str) -> tuple[str, int]:
    """ "twenty" "three" → ("23", 2 pieces)."""
    if word in TENS:
        unit = UNITS.get(following, 0)
        return str(TENS[word] + unit), 2 if unit else 1
    if word in TEENS:
        return str(TEENS[word]), 1
    return (str(UNITS[word]), 1) if word in UNITS else ("", 0)


def _glue(pieces: list[_Piece]) -> str:
    """Words, letters, numbers and joiners of one side of the address, run together."""
    out = ""
    index = 0
    while index < len(pieces):
        word = pieces[index].text
        following = pieces[index + 1].text if index + 1 < len(pieces) else ""
        symbol = _symbol(pieces, index) or (word if word in "._+-" and index + 1 < len(pieces) else "")
        number, used = _number(word, following)
        if word in ("double", "triple") and following:
            letter = _LETTER_NAMES.get(following, following) if len(following) > 1 else following
            digit, taken = _number(following, "")
            out += (digit or letter[:1]) * (2 if word == "double" else 3) + ("" if digit else letter[1:])
            index += 1 + max(taken, 1)
        elif len(word) == 1 and following in ("as", "for") and index + 2 < len(pieces):
            skip = 3 if following == "as" and pieces[index + 2].text == "in" else 2
            out, index = out + word, index + skip + 1
        elif symbol == "-" and _spelled_dash(pieces, index):
            index += 1
        elif symbol:
            out, index = out + symbol, index + 1
        elif number:
            out, index = out + number, index + used
        elif word in _NOISE:
            index += 1
        else:
            out, index = out + (_LETTER_NAMES.get(word, word)).replace("'", ""), index + 1
    return out.strip(".-_+")


def _spelled_dash(pieces: list[_Piece], index: int) -> bool:
    """ "A-N-N-A": written hyphens between single letters spell, they are not part of the address."""
    if pieces[index].text != "-" or not 0 < index < len(pieces) - 1:
        return False
    return len(pieces[index - 1].text) == 1 and len(pieces[index + 1].text) == 1


def _local(pieces: list[_Piece], at: int) -> int:
    """Index of the first piece of the local part that ends before `at`."""
    first = at
    while first > 0:
        before = pieces[first - 1]
        word = before.text
        if _is_at(pieces, first - 1) or word == "'s":
            break
        if word in "._+-" and not _symbol(pieces, first - 1):
            break
        if word in _STOPS and not _needed(pieces, first - 1):
            break
        if word == "i" and pieces[first].text in ("am", "think", "have", "use"):
            break
        first -= 1
        if at - first > 40:
            break
    while first < at and pieces[first].text in ("and", "._+-"):
        first += 1
    return first


def _needed(pieces: list[_Piece], index: int) -> bool:
    """A stop word inside the address: right after or before a joiner ("the dot best at …") or after "as in"."""
    return bool(_symbol(pieces, index + 1)) or (index > 1 and pieces[index - 1].text == "in")


def _domain(pieces: list[_Piece], at: int) -> tuple[str, int, bool] | None:
    """The domain from piece `at`: (domain, index after, whether its ending was assumed)."""
    stop, dots = at, 0
    labels_end = at
    while stop < len(pieces) and stop - at < 24:
        if _symbol(pieces, stop) == "." and stop > at:
            dots += 1
            stop += 1
            if stop < len(pieces) and _TLD.match(pieces[stop].text) and pieces[stop].text not in _SYMBOLS:
                labels_end = stop + 1
                stop = labels_end
                follows_dot = _symbol(pieces, stop) == "."
                if not follows_dot:
                    break
                continue
            break
        if dots == 0 or _symbol(pieces, stop - 1) == ".":
            stop += 1
            continue
        break
    if dots and labels_end > at:
        return _glue(pieces[at:labels_end]), labels_end, False
    for size in (1, 2):
        name = "".join(piece.text for piece in pieces[at : at + size])
        if name in _PROVIDERS:
            return f"{name}.{_PROVIDERS[name]}", at + size, True
    return None


_ADDRESS = re.compile(r"^[a-z0-9](?:[a-z0-9._+\-]{0,62}[a-z0-9])?@[a-z0-9](?:[a-z0-9.\-]{0,200}[a-z0-9])?$")


def find_emails(text: str) -> tuple[Found[Email], ...]:
    """Every e-mail address said or written in `text`, in order. Never raises; the local part's beginning is a guess
    from
    the words before it ("my email is …"), so read it back."""
    pieces = _pieces(text)
    result: list[Found[Email]] = []
    floor = 0
    for index in range(len(pieces)):
        if index < floor or not _is_at(pieces, index):
            continue
        domain = _domain(pieces, index + 1)
        first = max(_local(pieces, index), floor)
        if domain is None or first >= index:
            continue
        address = f"{_glue(pieces[first:index])}@{domain[0]}"
        if ".." in address or not _ADDRESS.match(address):
            continue
        result.append(Found(Email(address, domain[2]), pieces[first].start, pieces[domain[1] - 1].end))
        floor = domain[1]
    return tuple(result)


def find_spelled(text: str) -> tuple[Found[str], ...]:
    """Words spelled out, three letters or more, lower case: "s m i t h", "S-M-I-T-H", "b as in bravo, o, double l"."""
    pieces = [piece for piece in _pieces(text) if piece.text not in "._+-@"]
    result: list[Found[str]] = []
    index = 0
    while index < len(pieces):
        letters, at = "", index
        while at < len(pieces):
            word = pieces[at].text
            following = pieces[at + 1].text if at + 1 < len(pieces) else ""
            if word in ("double", "triple") and len(following) == 1 and following.isalpha():
                letters, at = letters + following * (2 if word == "double" else 3), at + 2
            elif len(word) == 1 and word.isalpha():
                letters, at = letters + word, at + 1
                if following in ("as", "for") and at + 1 < len(pieces):
                    at += 3 if following == "as" else 2
            elif word in _LETTER_NAMES and letters:
                letters, at = letters + _LETTER_NAMES[word], at + 1
            else:
                break
        if len(letters) >= 3 and at <= len(pieces):
            result.append(Found(letters, pieces[index].start, pieces[min(at, len(pieces)) - 1].end))
            index = at
        else:
            index = max(at, index + 1)
    return tuple(result)
