"""The protocol and the order of jobs, without processes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.errors import ProviderError
from aivoice.providers.inference.schedule import Job, Priority, Schedule
from aivoice.providers.inference.wire import HEADER, MAX_BLOB, VERSION, Decoder, Kind, WireError, WireFrame, encode

FRAMES = st.builds(
    WireFrame,
    st.sampled_from(Kind),
    st.integers(0, 2**32 - 1),
    st.dictionaries(st.text(max_size=8), st.one_of(st.integers(), st.text(max_size=20), st.booleans()), max_size=4),
    st.binary(max_size=300),
)


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(1, 40), min_size=1))
def test_frames_survive_any_cutting(frames: list[WireFrame], cuts: list[int]) -> None:
    data, decoder, got, at, turn = b"".join(map(encode, frames)), Decoder(), list[WireFrame](), 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        got += decoder.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert got == frames


@given(st.binary(min_size=12, max_size=200))
def test_garbage_is_an_error_or_waits_for_more_never_anything_else(data: bytes) -> None:
    with contextlib.suppress(WireError):
        list(Decoder().feed(data))


@pytest.mark.parametrize(
    "header",
    [
        HEADER.pack(99, VERSION, 2, 1, 0) + b"{}",
        HEADER.pack(1, VERSION + 1, 2, 1, 0) + b"{}",
        HEADER.pack(1, VERSION, 2, 1, MAX_BLOB + 1) + b"{}",
        HEADER.pack(1, VERSION, 2, 1, 0) + b"[]",
        HEADER.pack(1, VERSION, 2, 1, 0) + b"{x",
    ],
)
def test_what_is_not_a_frame_is_refused(header: bytes) -> None:
    with pytest.raises(ProviderError):
        list(Decoder().feed(header))


def test_a_frame_too_long_for_the_peer_is_not_sent() -> None:
    with pytest.raises(ProviderError):
        encode(WireFrame(Kind.REQUEST, 1, {"text": "x" * 70_000}))


def test_sixteen_passages_of_any_script_fit_into_a_frame() -> None:
    """What an embedding job holds at once, of the longest passages."""
    for text in ("Клиника открыта с девяти. ", "诊所九点开门欢迎您来电话", "العيادة مفتوحة من التاسعة ", "😀"):
        texts = [(text * 700)[:700]] * 16
        frame = WireFrame(Kind.REQUEST, 1, {"texts": texts, "job": "embed", "priority": 6})
        assert list(Decoder().feed(encode(frame))) == [frame]


def test_half_a_character_survives_the_wire() -> None:
    frame = WireFrame(Kind.REQUEST, 1, {"text": "\ud83d"})
    assert list(Decoder().feed(encode(frame))) == [frame]


def _job(number: int, priority: Priority, name: str = "x", expires: float | None = None) -> Job:
    return Job((1, number), name, priority, expires)


def test_what_a_caller_waits_for_goes_first_and_equals_keep_their_order() -> None:
    schedule = Schedule(limit=10)
    for number, priority in enumerate((Priority.INTERIM, Priority.FINAL, Priority.BULK, Priority.FINAL)):
        schedule.add(_job(number, priority))
    taken = [schedule.take(0.0)[0] for _ in range(4)]
    assert [job.key[1] for job in taken if job is not None] == [1, 3, 0, 2]
    assert schedule.take(0.0) == (None, [])


def test_interims_never_take_the_last_worker() -> None:
    schedule = Schedule(limit=10, at_most={"interim": 1})
    schedule.add(_job(0, Priority.INTERIM, "interim:base"))
    schedule.add(_job(1, Priority.INTERIM, "interim:tiny"))
    schedule.add(_job(2, Priority.BULK, "embed"))
    first, second = schedule.take(0.0)[0], schedule.take(0.0)[0]
    assert first is not None and first.key == (1, 0)
    assert second is not None and second.key == (1, 2)
    schedule.done((1, 0))
    third = schedule.take(0.0)[0]
    assert third is not None and third.key == (1, 1)


def test_late_interims_are_dropped_and_promoted_ones_are_not() -> None:
    schedule = Schedule(limit=10)
    schedule.add(_job(0, Priority.INTERIM, expires=1.0))
    schedule.add(_job(1, Priority.EAGER, expires=1.0))
    schedule.promote((1, 1), Priority.FINAL)
    job, late = schedule.take(1.0)
    assert job is not None and job.key == (1, 1) and job.priority is Priority.FINAL
    assert [dropped.key for dropped in late] == [(1, 0)]


def test_a_full_queue_drops_what_matters_least_or_the_newcomer() -> None:
    schedule = Schedule(limit=2)
    assert schedule.add(_job(0, Priority.BULK)).accepted
    assert schedule.add(_job(1, Priority.FINAL)).accepted
    evicting = schedule.add(_job(2, Priority.FINAL))
    assert evicting.accepted and evicting.evicted is not None and evicting.evicted.key == (1, 0)
    assert not schedule.add(_job(3, Priority.INTERIM)).accepted
    assert not schedule.add(_job(4, Priority.FINAL)).accepted


@given(st.lists(st.tuples(st.sampled_from("atcdf"), st.integers(0, 8), st.sampled_from(Priority)), max_size=60))
def test_every_job_ends_once(steps: list[tuple[str, int, Priority]]) -> None:
    """add, take, cancel, done, forget in any order: no job is run twice, lost, or run after it was cancelled."""
    schedule, number = Schedule(limit=4, at_most={"x": 2}), 0
    waiting: set[tuple[int, int]] = set()
    running: set[tuple[int, int]] = set()
    for step, which, priority in steps:
        if step == "a":
            number += 1
            job = Job((which % 2, number), "x" if which % 3 else "y", priority, float(which))
            admission = schedule.add(job)
            if admission.accepted:
                waiting.add(job.key)
            if admission.evicted is not None:
                waiting.remove(admission.evicted.key)
        elif step == "t":
            taken, late = schedule.take(which / 2)
            for dropped in late:
                waiting.remove(dropped.key)
            if taken is not None:
                waiting.remove(taken.key)
                running.add(taken.key)
        elif step == "c" and waiting:
            key = sorted(waiting)[which % len(waiting)]
            assert schedule.cancel(key) and not schedule.cancel(key)
            waiting.remove(key)
        elif step == "d" and running:
            key = sorted(running)[which % len(running)]
            schedule.done(key)
            running.remove(key)
        elif step == "f":
            schedule.forget(which % 2)
            waiting = {key for key in waiting if key[0] != which % 2}
        assert len(schedule) == len(waiting) <= 4
        assert schedule.running == len(running)
