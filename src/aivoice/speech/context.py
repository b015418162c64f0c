"""A source word and its neighbours, as the rules of `normalise` look at them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

_TRANSLATE = {
    ord("’"): "'",
    ord("‘"): "'", ord("ʼ"): "'", ord("`"): "'", ord("“"): '"', ord("”"): '"', ord("″"): '"', ord("′"): "'",
    ord("‐"): "-", ord("‑"): "-", ord("‒"): "-", ord("–"): "-", ord("−"): "-", ord("—"): "—", ord("―"): "—",
    ord("⁄"): "/", ord("∕"): "/", ord("…"): ".", ord("º"): "°", ord("\u200b"): "", ord("\ufeff"): "",
}  # fmt: skip
_VULGAR = re.compile("(?<=[0-9])(?=[\u00bc-\u00be\u2150-\u215e])")
_OPEN = "([{<\"'*_«¿¡|·"
_CLOSE = ")]}>\"'*_~»|"
_PROSODY = ",.;:!?"
_NUMERIC = re.compile(r"~?[$£€]?[0-9][0-9.,:/·\-]*(?:%|st|nd|rd|th|am|pm|a\.m|p\.m|k)?")


def clean(word: str) -> str:
    """Compatibility forms folded, every script's decimal digits as ASCII, dashes and quotes in one shape."""
    if word.isascii():
        return word
    parted = _VULGAR.sub("·", word)  # "1½" is not 11/2
    folded = unicodedata.normalize("NFKC", parted.translate(_TRANSLATE)).translate(_TRANSLATE)
    out: list[str] = []
    for character in folded:
        value = unicodedata.decimal(character, None)
        out.append(character if value is None else str(value))
    return "".join("".join(out).split())


@dataclass(frozen=True, slots=True)
class Word:
    """raw: as written. core: without brackets and closing punctuation. tail: closing punctuation, in order."""

    raw: str
    core: str
    tail: str

    @property
    def low(self) -> str:
        return self.core.lower()

    @property
    def stop(self) -> str:
        """The one mark of prosody that its punctuation amounts to, or ""."""
        for mark in "?!.;:,":
            if mark in self.tail:
                return mark
        return ""

    @property
    def numeric(self) -> bool:
        return bool(_NUMERIC.fullmatch(self.low))

    @property
    def capital(self) -> bool:
        return self.core[:1].isupper()


def split_word(raw: str) -> Word:
    """Take a word apart: opening marks, core, closing marks."""
    text = clean(raw)
    start, end = 0, len(text)
    while start < end and text[start] in _OPEN:
        start += 1
    while end > start and (text[end - 1] in _CLOSE or text[end - 1] in _PROSODY):
        end -= 1
    core = text[start:end]
    # The quote of feet and inches ("6'", '2"') belongs to its number.
    if (
        end < len(text)
        and text[end] in "'\""
        and core[-1:].isdigit()
        and '"' not in text[:start]
        and "'" not in text[:start]
    ):
        core, end = core + text[end], end + 1
    return Word(raw, core, text[end:])


EMPTY = Word("", "", "")


@dataclass(frozen=True, slots=True)
class Context:
    """The words of a clause, those before it first. index: the one being said. last: it is the clause's last."""

    words: tuple[Word, ...]
    index: int

    def at(self, offset: int) -> Word:
        place = self.index + offset
        return self.words[place] if 0 <= place < len(self.words) else EMPTY

    @property
    def before(self) -> Word:
        return self.at(-1)

    @property
    def after(self) -> Word:
        return self.at(1)

    @property
    def last(self) -> bool:
        return self.index == len(self.words) - 1


Lexicon = Mapping[str, str]
