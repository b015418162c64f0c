"""transcript.md and waterfall.svg: true, whole, and safe for any words."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.browser.scripted import GREETING, MS, script

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.traces.build import percentile, trace_of
from aivoice.traces.files import write_trace_files
from aivoice.traces.model import Trace
from aivoice.traces.transcript import clock, render_transcript
from aivoice.traces.waterfall_svg import nice_axis, render_waterfall

CLIPS = {"greeting": GREETING, "filler.book_appointment": "One moment, I am booking that for you."}


def scripted() -> Trace:
    records = [(at_ms * MS, item) for at_ms, item in script()]
    return trace_of([*records, (10_000 * MS, c.Finish("caller_hung_up"))], call_id="c1", business="Dental", clips=CLIPS)


def test_the_transcript_reads_as_the_call_went() -> None:
    assert (
        render_transcript(scripted())
        == """\
# Call c1

- Business: Dental
- Answered: 2026-11-22T14:02:00-05:00 (America/New_York)
- Duration: 0:09
- Ended: caller hung up
- End of speech to first sound: 560 ms (median of 2), to the answer: 610 ms
- Interruptions: 1

`0:00` **Agent:** Good afternoon, Bright Smile Dental, how can I help you?

`0:01` **Caller:** When are you open on Saturdays?

`0:03` **Agent:** We are open Monday to Friday from eight until six **[interrupted]** ~~and on Saturday from nine \
until one~~

`0:04` **Caller:** mm-hm *(listening along)*

`0:05` **Caller:** Okay, can I book Wednesday at three? Ana Lopez.

`0:06` *Tool* book\\_appointment({"date":"2026-11-25","name":"Ana Lopez","time":"15:00"}): ok → \
{"confirmation":"BS-1042"}

`0:06` **Agent:** One moment, I am booking that for you. You are booked for Wednesday the twenty-fifth at three. \
Is there anything else I can do?

`0:07` *hibari (speech synthesis) failed: timeout.*

## Decisions

- `0:02` Turn 1 ended because the question was complete.
- `0:04` The agent carried on because the caller was only listening along, or it was the agent's echo.
- `0:05` The agent was interrupted because the caller spoke.
- `0:06` Turn 2 ended because the sentence was complete.
"""
    )


def test_words_that_look_like_markup_stay_words() -> None:
    said = "<img src=x> **bold** [link](x) `code` a|b ~~gone~~\n# head"
    trace = trace_of([(0, e.MediaUp()), (1, c.TurnEnded(1, said, ""))], call_id="c<1>")
    line = render_transcript(trace).partition("\n## ")[0].splitlines()[-1]
    assert line == (
        "`0:00` **Caller:** \\<img src=x\\> \\*\\*bold\\*\\* \\[link\\](x) \\`code\\` a\\|b \\~\\~gone\\~\\~ \\# head"
    )
    fall = (2, c.Waterfall(1, (("vad", 5_000),), 5_000, 5_000, False))
    drawn = render_waterfall(trace_of([(0, e.MediaUp()), (1, c.TurnEnded(1, said, "")), fall], call_id="<&>"))
    words = [node.text or "" for node in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert any(text.startswith("<img src=x>") for text in words)


def test_the_waterfall_shows_both_figures_and_says_them_in_words() -> None:
    drawn = ET.fromstring(render_waterfall(scripted()))
    space = "{http://www.w3.org/2000/svg}"
    figures = ["".join(node.itertext()) for node in drawn.iter(f"{space}text")]
    assert "560 ms first sound" in figures
    assert "1,754 ms answer" in figures
    description = drawn.findtext(f"{space}desc") or ""
    assert "Turn 2: first sound after 560 ms, answer after 1,754 ms" in description
    assert drawn.get("role") == "img"
    assert drawn.get("aria-labelledby") == "wf-title wf-desc"


def test_the_stretches_of_a_row_are_as_long_as_its_stages() -> None:
    drawn = ET.fromstring(render_waterfall(scripted()))
    space = "{http://www.w3.org/2000/svg}"
    bars = [
        (float(node.get("x") or 0), float(node.get("width") or 0) + 1)
        for node in drawn.iter(f"{space}rect")
        if node.find(f"{space}title") is not None and node.get("class") != "mark"
    ]
    turn_1 = bars[:7]
    assert [round(x + width, 1) for x, width in turn_1[:-1]] == [round(x, 1) for x, _ in turn_1[1:]]
    pixels = sum(width for _, width in turn_1)
    span = sum(width for _, width in bars[7:])
    assert abs(pixels / span - 610 / 1754) < 0.002


def test_a_call_without_turns_still_has_its_documents(tmp_path: Path) -> None:
    trace = trace_of([(0, e.Answered("", "")), (5, c.Finish("media_lost"))], call_id="c")
    write_trace_files(tmp_path / "new", trace)
    assert "No turn was answered" in (tmp_path / "new" / "waterfall.svg").read_text()
    assert "Ended: media lost" in (tmp_path / "new" / "transcript.md").read_text()
    assert json.loads((tmp_path / "new" / "trace.json").read_text())["turns"] == []
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "trace.json",
        "transcript.md",
        "waterfall.svg",
    ]


def test_figures() -> None:
    assert [percentile([5, 1, 3, 4, 2], percent) for percent in (50, 90, 99)] == [3, 5, 5]
    assert percentile([], 50) is None
    assert [clock(ms) for ms in (0, 59_999, 61_000, 3_661_000)] == ["0:00", "0:59", "1:01", "1:01:01"]
    for longest in (1, 120, 999, 1754, 20_000, 400_000):
        end, step = nice_axis(longest)
        assert end >= longest
        assert 4 <= end / step <= 8
