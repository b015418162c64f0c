"""What guesses cost and saved is in every trace, in figures and in words."""

from __future__ import annotations

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.speculation import Figures, Known
from aivoice.traces.build import to_json, trace_of
from aivoice.traces.model import Guesses
from aivoice.traces.transcript import render_transcript

FALL = c.Waterfall(1, (("vad", 500_000),), 500_000, 500_000, True, saved=151_240)


def test_the_share_that_was_wasted_and_the_time_that_was_saved() -> None:
    told = c.Speculated(Known(400, Figures(1, 1, 0, 60.02), Figures(3, 2, 96, 240.4)), "settled")
    records = [(0, e.MediaUp()), (1, FALL), (2, told), (3, c.Finish("caller_hung_up"))]
    trace = trace_of(records, call_id="c1")
    assert trace.guesses == Guesses(4, 3, 400, 96, 0.24, 300.4, "settled")
    assert to_json(trace)["guesses"]["wasted_share"] == 0.24
    assert [turn.waterfall.saved_ms for turn in trace.turns if turn.waterfall] == [151.2]
    text = render_transcript(trace)
    assert "- Begun before the turn was decided: 3 of 4 replies were used, 300 ms saved, 24 % of the" in text
    assert "answers came 300 ms sooner in all; 24 % of the language model's tokens were thrown away" in text


def test_a_call_without_any() -> None:
    records = [(0, e.MediaUp()), (2, c.Speculated(Known(400), "off")), (3, c.Finish("caller_hung_up"))]
    trace = trace_of(records, call_id="c1")
    assert trace.guesses == Guesses(tokens=400, most="off")
    text = render_transcript(trace)
    assert "Begun before" not in text.partition("## Decisions")[0]
    assert "No reply was begun before the caller's turn was decided" in text
