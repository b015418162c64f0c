"""Passages of other trades that surround the examples' documents: made by code from templates, always the same.

No real businesses' texts. Each is about one thing of one trade, in the words that callers' questions use (price,
cancel, insurance, parking, valve …), so that words alone do not tell it from an answer; none answers a question of
`data/knowledge/questions.tsv`. What would be an answer under another business's name ("we are open from …") is left
out: two businesses' opening hours in one index have no right order.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from aivoice.business.load import load_business
from aivoice.knowledge.passages import Piece, split_documents

DATA = Path(__file__).parent / "data" / "knowledge"
EXAMPLES = Path(__file__).parents[1] / "examples"
BUSINESSES = ("northside-dental", "harbour-plumbing")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday")
_CHOICE = re.compile(r"\[([^\]]+)\]")


def distractors(count: int, seed: int = 1) -> list[Piece]:
    """`count` different passages: every topic of every thing that every trade does, then again with other words and
    sizes (only so for more than about 4,800)."""
    rng = random.Random(seed)
    trades = [line.split(";") for line in _lines("trades.txt")]
    templates = [line.split(" | ") for line in _lines("templates.txt")]
    every = [
        (place.strip(), who.strip(), item.strip(), topic, body)
        for place, who, items in trades
        for item in items.split(",")
        for topic, body in templates
    ]
    rng.shuffle(every)
    pieces: list[Piece] = []
    seen: set[str] = set()
    while len(pieces) < count:
        for place, who, item, topic, body in every:
            kind = item if len(pieces) < len(every) else f"{item} type {rng.randint(1, 99)}"
            text = _filled(body, kind, who, place, rng)
            if len(pieces) < count and text not in seen:
                seen.add(text)
                heading = f"{place} > {topic.replace('{item}', kind)}"
                pieces.append(Piece(text, f"{place.lower().replace(' ', '-')}.md", heading))
    return pieces


def own(business: str) -> list[Piece]:
    """The passages of an example business, with its hours, prices and contact details."""
    loaded = load_business(EXAMPLES / business / "business.yaml")
    return list(split_documents((*loaded.documents, *loaded.facts())))


def questions() -> list[tuple[str, str, str, frozenset[str]]]:
    """(business, kind, question, last headings that answer: none where the documents do not say)."""
    rows = [line.split("\t") for line in (DATA / "questions.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    return [(row[0], row[1], row[2], frozenset(row[3].split("/")) - {""}) for row in rows]


def _filled(body: str, item: str, who: str, place: str, rng: random.Random) -> str:
    text = _CHOICE.sub(lambda match: rng.choice(match[1].split("/")), body)
    text = re.sub(r"\{n\}", lambda _: str(rng.randint(10, 48)), text)
    text = re.sub(r"\{money\}", lambda _: f"${rng.randint(9, 180) * 5}", text)
    text = text.replace("{day}", rng.choice(_DAYS)).replace("{hour}", f"{rng.randint(7, 11)} in the morning")
    text = text.replace("{item}", item).replace("{who}", who).replace("{place}", place)
    return text[:1].upper() + text[1:]


def _lines(name: str) -> list[str]:
    text = (DATA / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
