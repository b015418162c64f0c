"""Whose turn it is: properties over any order of requests, steps and cancellations, and the admission's estimate
against what then happens."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice_chatterbox.schedule import LEAD_S, Job, Pace, Schedule

STRETCH = 0.5


def job(call: str, seconds: float = 3.0, index: int = 0) -> Job[str]:
    return Job(call, "text", index, seconds)


def step(schedule: Schedule[str], now: float, rtf: float = 0.3) -> tuple[float, str]:
    """One step of a model that does one at a time; returns the time after it, and whose it was."""
    (picked,) = schedule.pick(now)
    audio = min(STRETCH, picked.seconds)
    after = now + rtf * audio
    schedule.gave(picked.speech, picked, audio, last=picked.seconds <= STRETCH + 1e-9, now=after)
    return after, picked.speech


def test_a_caller_who_hears_nothing_goes_before_one_who_listens() -> None:
    schedule: Schedule[str] = Schedule(1)
    schedule.add("listens", [job("listens")], 0.0)
    now, _ = step(schedule, 0.0)
    schedule.add("waits", [job("waits")], now)
    now, first = step(schedule, now)
    _, then = step(schedule, now)
    assert (first, then) == ("waits", "listens")


def test_one_who_ran_dry_goes_before_one_who_came_later() -> None:
    schedule: Schedule[str] = Schedule(1)
    schedule.add("dry", [job("dry")], 0.0)
    step(schedule, 0.0)
    schedule.add("new", [job("new")], 1.0)  # the other's half second was played by 0.65
    assert step(schedule, 1.0)[1] == "dry"


def test_calls_that_are_alike_take_turns() -> None:
    schedule: Schedule[str] = Schedule(1)
    for name in "abcd":
        schedule.add(name, [job(name)], 0.0)
    now, order = 0.0, ""
    for _ in range(12):
        now, name = step(schedule, now)
        order += name
    assert all(sorted(order[at : at + 4]) == list("abcd") for at in (0, 4, 8)), order


def test_the_clauses_of_a_call_follow_one_another_and_the_second_is_not_urgent() -> None:
    schedule: Schedule[str] = Schedule(1)
    first, second = job("a", 0.5), job("a", 3.0)
    schedule.add("a", [first], 0.0)
    schedule.add("a", [second], 0.0)
    assert schedule.pick(0.0) == [first]
    schedule.gave("a", first, 0.5, last=True, now=0.15)
    schedule.add("b", [job("b")], 0.2)
    assert schedule.pick(0.2)[0].speech == "b", "a still has 0.45 s to listen to"
    assert schedule.pick(0.2, lambda speech: speech == "a") == [second], "a reader that is behind is passed over"


def test_what_a_cancelled_call_had_heard_does_not_hold_back_its_next_reply() -> None:
    schedule: Schedule[str] = Schedule(1)
    schedule.add("a", [job("a", 9.0)], 0.0)
    for at in range(10):
        schedule.gave("a", schedule.pick(float(at))[0], 5.0, last=False, now=0.1)
    assert len(schedule.remove("a", "a", 0.2, heard=False)) == 1
    schedule.add("a", [job("a")], 0.2)
    schedule.add("b", [job("b")], 0.3)
    assert schedule.pick(0.4)[0].speech == "a"
    assert LEAD_S < 5


actions = st.lists(
    st.tuples(
        st.sampled_from(["add", "step", "step", "step", "remove", "wait"]), st.integers(0, 5), st.floats(0.1, 4.0)
    ),
    max_size=60,
)


@given(actions=actions, batch=st.integers(1, 4))
def test_any_order_of_things(actions: list[tuple[str, int, float]], batch: int) -> None:
    schedule: Schedule[Any] = Schedule(batch)
    now = 0.0
    alive: dict[str, list[Job[Any]]] = {}
    for what, number, amount in actions:
        call = f"call{number}"
        if what == "add":
            new = Job(object(), "text", 0, amount)
            schedule.add(call, [new], now)
            alive.setdefault(call, []).append(new)
        elif what == "remove" and alive.get(call):
            gone = alive[call].pop(number % len(alive[call]))
            assert schedule.remove(call, gone.speech, now, heard=bool(number % 2)) == [gone]
        elif what == "wait":
            now += amount
        elif what == "step":
            picked = schedule.pick(now)
            heads = [jobs[0] for jobs in alive.values() if jobs]
            assert len(picked) == min(batch, len(heads)), "the GPU never idles while there is work"
            assert all(each in heads for each in picked), "a call's clauses are spoken in their order"
            for each in picked:
                owner = next(name for name, jobs in alive.items() if jobs and jobs[0] is each)
                last = each.seconds <= amount
                schedule.gave(owner, each, amount, last=last, now=now + 0.01)
                if last:
                    alive[owner].pop(0)
            now += 0.01
        assert schedule.queued == sum(map(len, alive.values()))
        late = schedule.lateness("new", 1.0, now)
        assert 0 <= late < 1_000
        assert late <= schedule.lateness("new", 2.0, now) + 1e-9


def waits(
    arrivals: list[float], seconds: list[float], rtf: float, limit: float
) -> tuple[list[float], list[float], int]:
    """First-sound waits and gaps of those admitted, and how many were refused, of a model that does one at a time."""
    schedule: Schedule[str] = Schedule(1)
    schedule.pace = Pace({1: rtf}, STRETCH)
    todo = sorted(zip(arrivals, seconds, strict=True))
    now, refused = 0.0, 0
    came: dict[str, float] = {}
    first: dict[str, float] = {}
    dry: dict[str, float] = {}
    gaps: list[float] = []
    while todo or schedule.queued:
        while todo and todo[0][0] <= now:
            at, wanted = todo.pop(0)
            name = f"{len(came) + refused}"
            if schedule.queued and schedule.lateness(name, wanted, at, busy_s=now - at) > limit:
                refused += 1
                continue
            came[name] = at
            schedule.add(name, [job(name, wanted)], at)
        if not schedule.queued:
            now = max(now, todo[0][0])
            continue
        audio = min(STRETCH, schedule.pick(now)[0].seconds)
        now, name = step(schedule, now, rtf)
        if name in first:
            gaps.append(max(0.0, now - dry[name]))
        first.setdefault(name, now - came[name])
        dry[name] = max(dry.get(name, now), now) + audio
    return list(first.values()), gaps, refused


@given(
    arrivals=st.lists(st.floats(0, 6), min_size=1, max_size=25),
    data=st.data(),
    rtf=st.sampled_from([0.1, 0.3, 0.6, 0.9]),
)
def test_who_is_admitted_is_heard_in_time(arrivals: list[float], data: st.DataObject, rtf: float) -> None:
    seconds = [data.draw(st.floats(0.5, 6.0)) for _ in arrivals]
    first, gaps, _ = waits(arrivals, seconds, rtf, limit=0.7)
    # Work comes in stretches, not as the flow of the estimate: a few of them on top.
    slack = 4 * STRETCH * rtf
    assert max(first) <= 0.7 + slack + STRETCH * rtf
    assert max(gaps, default=0.0) <= 0.7 + slack


def test_without_the_limit_callers_would_wait_and_listen_to_gaps() -> None:
    arrivals, seconds = [0.0] * 12, [4.0] * 12
    first, gaps, refused = waits(arrivals, seconds, 0.3, limit=100.0)
    assert refused == 0
    assert max(first) > 1.5
    assert max(gaps) > 1.0
    first, gaps, refused = waits(arrivals, seconds, 0.3, limit=0.7)
    assert 0 < refused < 12
    assert max(first) < 1.0
    assert max(gaps) < 0.7


def test_an_estimate_learns_from_what_is_measured() -> None:
    pace = Pace()
    for _ in range(40):
        pace.stepped(0.15, [0.5])
        pace.stepped(0.20, [0.5, 0.5, 0.5, 0.5])
        pace.spoken("a sentence of forty characters, or so...", 4.0)
        pace.stepped(1.0, [0.0])
    assert pace.at(1) == pytest.approx(0.3)
    assert pace.at(3) == pytest.approx(0.0333 + 0.2667 / 3, rel=0.01), "between one and four"
    assert pace.at(4) < pace.at(3) < pace.at(2) < pace.at(1)
    assert pace.at(9) == pytest.approx(0.1)
    assert pace.per_character == pytest.approx(0.1, rel=0.05)
    assert all(a <= b for a, b in pairwise(sorted(pace.rtf)))


def test_a_call_that_listens_is_told_from_a_new_one() -> None:
    schedule: Schedule[str] = Schedule(1)
    assert not schedule.listens("a", 0.0)
    piece = job("a", 0.5)
    schedule.add("a", [piece], 0.0)
    assert schedule.listens("a", 0.1)
    schedule.gave("a", piece, 0.5, last=True, now=0.2)
    assert schedule.listens("a", 0.6)
    assert not schedule.listens("a", 0.8)
