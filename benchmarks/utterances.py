"""What the caller says: sentences of business calls, words on the frame grid; whole, paused, revised, in pieces."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate

from benchmarks.stages import FRAME_MS, Utterance, UtteranceKind, Word

_SENTENCES = tuple(
    line.strip()
    for line in """
    what time do you open / on saturday?
    how much / is a check up?
    do you have anything free / on tuesday / afternoon?
    i would like to book a visit / for my son.
    can i move my appointment / to friday?
    is there parking / near the office?
    my kitchen tap has been leaking / since monday.
    do you take walk in patients?
    i need to cancel / my visit / tomorrow.
    could you tell me what a filling costs?
    are you open / on public holidays?
    can someone come / and look / at our boiler / today?
    which insurance plans do you accept?
    i have a question / about my last bill.
    please tell the doctor / that i called.
    how long does a cleaning take?
    is the dentist in / on thursday / morning?
    we have no hot water / in the house.
    can you send me a copy / of the invoice?
    my name is anna / and i am a new customer.
    how do i get to your office / by bus?
    could you help me / with a refund?
    do you also repair washing machines?
    what do you charge / for a first visit?
    i would prefer something early / in the morning.
    does the price include the parts?
    my daughter broke a tooth / this morning.
    can you come / before noon / on wednesday?
    i want to change my phone number.
    when is the next free slot / with doctor brown?
    """.strip().splitlines()
)
"""A bar is where the sentence could have ended: a recogniser would set its end mark there, too."""
_SPELLED = (
    "my number is | five five five | oh one two | three four five six",
    "you can reach me at | oh seven seven | nine one two | eight six | four four oh",
    "the card number is | four one one one | two two eight nine | seven three oh one | one two three four",
    "it's anna dot | miller at | example dot | com",
    "my e mail is j | dot | weber at | mail dot | com",
    "the code is | seven nine | four oh | six",
)
"""Numbers and addresses given piece by piece; the bars are pauses."""
_MISHEARINGS = ("monday", "morning", "office", "price", "visit", "doctor", "free", "water", "today", "number")


def _timed_words(rng: random.Random, texts: Sequence[str], start_ms: int) -> tuple[Word, ...]:
    """Words back to back on the frame grid: 120 ms and 40 ms a letter, give or take a frame or two."""
    words: list[Word] = []
    at = start_ms
    for text in texts:
        length = 120 + 40 * min(len(text), 8) + rng.randrange(-2, 3) * FRAME_MS
        words.append(Word(text, at, at + length))
        at += length
    return tuple(words)


def make_utterance(rng: random.Random, number: int, kind: UtteranceKind, pause_ms: tuple[int, int]) -> Utterance:
    """One utterance of `kind`; `pause_ms` bounds the pauses of a paused or spelled one."""
    if kind == "cough":
        return Utterance(number, kind, (), ((0, 300),))
    if kind == "backchannel":
        words = (Word(rng.choice(("mm-hm", "yeah", "okay")), 0, 400),)
        return Utterance(number, kind, words, ((0, 400),), mark=".")
    if kind == "spelled":
        return _spelled(rng, number, pause_ms)
    line = rng.choice(_SENTENCES)
    mark = line[-1]
    parts = [part.split() for part in line[:-1].split("/")]
    texts = [text for part in parts for text in part]
    could_end = tuple(accumulate(len(part) for part in parts))[:-1]
    if kind in ("paused", "paused_inside", "paused_complete"):
        cut = _cut(rng, len(texts), could_end, kind)
        pause = rng.randrange(pause_ms[0] // FRAME_MS, pause_ms[1] // FRAME_MS + 1) * FRAME_MS
        first = _timed_words(rng, texts[:cut], 0)
        second = _timed_words(rng, texts[cut:], first[-1].end_ms + pause)
        spans = ((0, first[-1].end_ms), (second[0].start_ms, second[-1].end_ms))
        return Utterance(number, kind, first + second, spans, mark=mark, could_end=could_end)
    words = _timed_words(rng, texts, 0)
    misheard: tuple[tuple[int, str], ...] = ()
    if kind == "revised":
        index = rng.choice((len(words) - 1, rng.randrange(len(words))))
        misheard = ((index, rng.choice([word for word in _MISHEARINGS if word != words[index].text])),)
    return Utterance(number, kind, words, ((0, words[-1].end_ms),), misheard, mark, could_end)


def _cut(rng: random.Random, count: int, could_end: tuple[int, ...], kind: UtteranceKind) -> int:
    """After how many words the caller pauses: anywhere, only inside a phrase, or only where the sentence could end."""
    places = range(1, count)
    if kind == "paused_inside" or (kind == "paused_complete" and not could_end):
        places = [place for place in places if place not in could_end]
    elif kind == "paused_complete":
        places = could_end
    return rng.choice(places)


def _spelled(rng: random.Random, number: int, pause_ms: tuple[int, int]) -> Utterance:
    words: tuple[Word, ...] = ()
    spans: list[tuple[int, int]] = []
    at = 0
    for group in rng.choice(_SPELLED).split("|"):
        timed = _timed_words(rng, group.split(), at)
        words += timed
        spans.append((at, timed[-1].end_ms))
        at = timed[-1].end_ms + rng.randrange(pause_ms[0] // FRAME_MS, pause_ms[1] // FRAME_MS + 1) * FRAME_MS
    return Utterance(number, "spelled", words, tuple(spans))
