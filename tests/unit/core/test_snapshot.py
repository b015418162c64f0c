"""A call goes on after it was written down, as if nothing had happened."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.test_any_order import ANY
from tests.unit.core.test_contracts import BOOK, LOOK

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.call import Call
from aivoice.core.config import CallConfig
from aivoice.core.snapshot import VERSION, SnapshotError

CONFIG = CallConfig(tools=(BOOK, LOOK))


def drain(call: Call) -> list[c.Command]:
    made: list[c.Command] = []
    while (command := call.poll()) is not None:
        made.append(command)
    return made


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(ANY, st.integers(0, 3_000)), max_size=40), st.integers(0, 40))
def test_a_restored_call_decides_the_same(events: list[tuple[e.Event, int]], cut: int) -> None:
    whole, restored, now = Call(CONFIG), Call(CONFIG), 0
    for number, (event, step) in enumerate([(e.Answered("", "UTC"), 0), (e.MediaUp(), 0), *events]):
        now += step * 1_000
        if number == cut:
            restored = Call.restore(json.loads(json.dumps(restored.snapshot())), CONFIG)
        whole.handle(event, now)
        restored.handle(event, now)
        assert drain(whole) == drain(restored)
        assert whole.next_deadline() == restored.next_deadline()
        assert whole.phase == restored.phase


def test_fields_of_other_releases_are_dropped_or_defaulted() -> None:
    call = Call(CONFIG)
    call.handle(e.Answered("", "UTC"), 0)
    call.handle(e.MediaUp(), 0)
    with pytest.raises(SnapshotError):
        call.snapshot()
    drain(call)
    written = call.snapshot()
    body = written["conversation"]["fields"]
    body["from_the_future"] = 1
    del body["reprompts"]
    del body["untold"]
    body["older"] = {"list": [body["ears"]["fields"]["pauses"], {"map": []}, {"deque": []}]}
    again = Call.restore(written, CONFIG)
    assert again.phase == "replying"


@pytest.mark.parametrize(
    "broken",
    [{}, {"version": VERSION}, {"version": VERSION + 1, "conversation": {}}, {"version": VERSION, "conversation": 5},
     {"version": VERSION, "conversation": {"new": 0, "type": "os", "fields": {}}}],
)  # fmt: skip
def test_what_is_no_snapshot_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(SnapshotError):
        Call.restore(broken, CONFIG)
