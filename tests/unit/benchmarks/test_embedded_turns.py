"""What the benchmark of the embedded ears cuts, joins and counts; its calls need the models and real time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from benchmarks.embedded_turns import Said
from benchmarks.human_speech import RATE, Clip, quietest, silences, to_pcm
from benchmarks.turn_cases import Case, CaseKind, cut, dealt, joined, natural
from benchmarks.turn_figures import figures_of, goals_of, kind_of, markdown

from aivoice.core import commands as c
from aivoice.core import events as e


def speech(*parts: tuple[int, bool]) -> bytes:
    """(ms, voiced) stretches: a loud hum, or noise 50 dB below it."""
    rng = np.random.default_rng(1)
    out: list[np.ndarray] = []
    for ms, voiced in parts:
        samples = ms * RATE // 1_000
        out.append(np.sin(np.arange(samples) * 0.1) * 0.3 if voiced else rng.normal(size=samples) * 0.0008)
    return to_pcm(np.concatenate(out).astype(np.float32))


def test_pauses_are_found_where_they_are() -> None:
    pcm = speech((100, False), (700, True), (400, False), (800, True), (100, False))
    ((first, last),) = silences(pcm, 250)
    assert (first, last) == (pytest.approx(800 * 16, abs=320), pytest.approx(1_200 * 16, abs=320))
    assert 800 * 16 <= quietest(pcm) <= 1_200 * 16
    assert silences(pcm, 450) == []


def test_a_natural_case_reaches_to_the_next_pause() -> None:
    pcm = speech((700, True), (400, False), (800, True), (500, False), (900, True))
    cases = natural(Clip("x", "one two three four", pcm, True))
    assert [case.pauses[0] for case in cases] == [pytest.approx(400, abs=20), pytest.approx(500, abs=20)]
    assert len(cases[0].pcm) / 2 / RATE == pytest.approx(1.9, abs=0.05)
    assert all(case.held_out for case in cases)


def test_what_is_cut_apart_has_a_pause_of_the_drawn_length_with_the_background_in_it() -> None:
    pcm = speech((900, True), (60, False), (900, True))
    case = cut(Clip("x", "one two three four", pcm, False), random.Random(4))
    ((first, last),) = silences(case.pcm, 250)
    assert (last - first) / 16 == pytest.approx(case.pauses[0], abs=30)
    inside = np.frombuffer(case.pcm, "<i2")[first + 320 : last - 320]
    assert 2 < float(np.abs(inside).mean()) < 100
    assert len(case.pcm) % 640 == 0


def test_joining_keeps_only_the_voice_of_each_part() -> None:
    part = speech((200, False), (500, True), (300, False))
    whole = joined([part, part], [600], np.random.default_rng(2))
    assert len(whole) / 2 / RATE == pytest.approx(1.6, abs=0.04)


def test_what_is_said_over_the_agent_is_dealt_between_the_others() -> None:
    cases = [Case("finished" if number < 12 else "backchannel", str(number), b"", 0, 0) for number in range(16)]
    hands = dealt(cases, 2)
    assert sorted(case.name for hand in hands for case in hand) == sorted(case.name for case in cases)
    for hand in hands:
        assert hand[0].kind == "finished"
        pairs = pairwise(hand)
        assert not any(one.kind == two.kind == "backchannel" for one, two in pairs)


def said(kind: CaseKind, items: Sequence[tuple[float, e.Event | c.Command]], loud: Sequence[float] = ()) -> Said:
    """Voiced from 10 s to 12 s."""
    return Said(Case(kind, "x", b"", 0, 0), (10.0, 12.0), items=list(items), loud=list(loud))


def test_a_turn_decided_before_the_last_voiced_sample_is_inside() -> None:
    why = "loose text, 1200 ms after the end of speech"
    early = said("cut", [(11.5, c.TurnEnded(1, "a", why)), (13.2, c.TurnEnded(2, "b", why))], [11.6, 13.3])
    good = said("cut", [(13.2, c.TurnEnded(1, "a b", why))], [13.3])
    both = figures_of([early, good])["pauses"]["both"]
    assert (both["utterances"], both["inside"], both["audible"], both["by"]) == (2, 50.0, 50.0, {"loose": 1})


def test_latency_counts_from_the_last_voiced_sample_by_kind() -> None:
    ends = [("open text, 450 ms after the end of speech", 12.5), ("no final came in time", 14.0)]
    whole = [said("finished", [(at, c.TurnEnded(1, "a", why))], [at + 0.1]) for why, at in ends]
    figures = figures_of([*whole, said("finished", [])])
    assert figures["finished"]["open"]["decided"] == [500, 500]
    assert figures["finished"]["open"]["sound"] == [600, 600]
    assert figures["finished"]["no final in time"]["decided"] == [2_000, 2_000]
    assert figures["unanswered"] == 1
    assert kind_of("voices go on, the words do not") == "other"


def test_what_goes_on_has_a_hole_and_what_yields_has_none() -> None:
    frames = [9.9, 10.0, 10.1, 10.6, 10.62]
    on = said(
        "backchannel",
        [
            (10.1, c.Hold()),
            (10.4, e.Heard("interim", "yeah", 0, 1)),
            (10.5, c.Resume()),
            (13.0, c.ReplyEnded(1, 1, "", "finished")),
        ],
        frames,
    )
    off = said(
        "interruption", [(10.1, c.Hold()), (10.9, c.Stop()), (10.9, c.ReplyEnded(1, 1, "", "interrupted"))], frames
    )
    over = figures_of([on, off])["over"]
    hum, words = over["mm-hm (of a recorded m)"], over["recorded sentences"]
    assert (hum["carried on"], hum["hole"], hum["decided"]) == (100.0, [480, 480], [100, 100])
    assert (words["yielded"], words["hole"], words["yield"]) == (100.0, [None, None], [900, 900])


def test_the_section_shows_what_is_missing_as_a_dash() -> None:
    figures = figures_of([])
    text = markdown(
        {
            **figures,
            "callers": 4,
            "seconds": 1,
            "load": 0.1,
            "frames_late_p99_ms": 1.0,
            "voice_ms": 140,
            "endpointing": {"open": 450},
        },
        goals_of(figures),
        "aivoice bench turns",
    )
    assert "| both | 0 | – | – | – |" in text
    assert "| turn ended inside a recorded pause | – of 0 | ≤ 5 % | NO |" in text
