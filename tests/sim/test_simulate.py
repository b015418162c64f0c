"""A fixed sample of simulated calls keeps every contract, and the simulator itself is to be trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.testing.scenarios import plan_call
from aivoice.testing.simulate import journal_of, replayed, run_one, shrunken, simulate
from aivoice.testing.simulate_goals import figures_asked, goals, repeats, section
from aivoice.testing.simulated import CallRecord, run_call
from aivoice.testing.verify import check

SEED = 20_261_122
CALLS = 200
"""So many that every behaviour and kind of fault occurs, and each rate is of dozens."""


def test_a_sample_of_calls_keeps_every_contract_and_reaches_every_rate() -> None:
    """Rates, holes and words off are a function of the seed alone; `make prove` asks the same of 1,000 calls."""
    report = simulate(CALLS, SEED, processes=1)
    assert report.ok, "\n".join(report.lines())
    assert report.figures.calls == CALLS
    assert [goal for goal in figures_asked(report) if not goal.met] == []
    assert report.missing == []
    assert report.core_s * 1_000 * 1e6 < report.figures.simulated_us, "the core is slower than 1,000 times real time"


def test_shards_change_no_journal() -> None:
    alone = [run_one(SEED, index) for index in range(24)]
    backwards = [run_one(SEED, index) for index in reversed(range(24))]
    assert [r.digest for r in alone] == [r.digest for r in reversed(backwards)]
    sharded = simulate(24, SEED, processes=2, shrink=False)
    assert sharded.digest == simulate(24, SEED, processes=1, shrink=False).digest


@pytest.mark.parametrize(
    ("seed", "index"),
    [
        (1, 187),  # a repeated interim of a decided turn was taken for new words
        (1, 17),  # one word of the agent's echo took the turn, again and again
        (1, 104),  # words of a clip that could not be spoken stood in history
        (3, 44),  # a voice detector that died twice left a listener behind
        (1, 379),  # two finals owed at once: the first settled both
        (4, 69),  # ends of speech told seconds late: a part's final was lost when the turn reopened
    ],
)
def test_calls_that_once_broke_a_contract_keep_it(seed: int, index: int) -> None:
    assert run_one(seed, index).violations == []


def test_a_report_that_misses_is_said_to_miss() -> None:
    report = simulate(4, SEED, processes=1)
    assert repeats(report)
    assert not repeats(replace(report, seed=SEED + 1))
    report.missing, report.wall_s, report.failing = ["cough"], 100.0, [3]
    report.figures.counts |= {"interrupt": 100, "interrupt yielded": 98, "pauses": 100, "pauses ended": 6}
    missed = {goal.name for goal in goals(report, same=False) if not goal.met}
    assert {
        "calls that broke a contract", "turn ended inside a caller's pause", "interruption yielded to",
        "behaviours and kinds of faults", "1,000 calls take", "journals of the first 40 calls, held again",
    } <= missed  # fmt: skip
    text = section(report, goals(report), "a command")
    assert "| interruption yielded to | 98 % | ≥ 99 % | NO |" in text
    assert report.digest in text


def test_other_seeds_are_other_calls() -> None:
    assert run_one(1, 3).digest != run_one(2, 3).digest


@pytest.fixture(scope="module")
def clean_call() -> CallRecord:
    """A call with several turns, an interruption and a tool, in which nothing is wrong."""
    for index in range(200):
        plan = plan_call(SEED, index)
        if plan.faults or plan.frames or plan.chatter or plan.echo:
            continue
        record = run_call(plan)
        kinds = {type(item) for _, item in record.records}
        interrupted = any(isinstance(i, c.ReplyEnded) and i.outcome == "interrupted" for _, i in record.records)
        effects = any(isinstance(i, c.RunTool) and i.side_effects for _, i in record.records)
        if {e.PlayoutHeld, c.Waterfall} <= kinds and interrupted and effects and not check(record):
            return record
    raise AssertionError("no such call among 200")


def _first(record: CallRecord, kind: type, after: int = 0) -> int:
    return next(i for i, (_, item) in enumerate(record.records) if i >= after and isinstance(item, kind))


def _broken(record: CallRecord, records: list[tuple[int, e.Event | c.Command]]) -> set[int]:
    return {violation.contract for violation in check(replace(record, records=records))}


def test_two_voices_at_once_are_found(clean_call: CallRecord) -> None:
    records = list(clean_call.records)
    place = _first(clean_call, e.PlayoutFinished)
    del records[place]
    assert 1 in _broken(clean_call, records)


def test_audio_of_a_stopped_reply_is_found(clean_call: CallRecord) -> None:
    records = list(clean_call.records)
    place = next(
        i for i, (_, item) in enumerate(records) if isinstance(item, c.ReplyEnded) and item.outcome == "interrupted"
    )
    started = next(item for _, item in reversed(records[:place]) if isinstance(item, e.PlayoutStarted))
    records.insert(place + 4, (records[place][0], started))
    assert 1 in _broken(clean_call, records)


def test_words_never_heard_are_found(clean_call: CallRecord) -> None:
    found: set[int] = set()
    for place, (at, item) in enumerate(clean_call.records):
        if isinstance(item, c.Generate):
            told = tuple(
                replace(m, text=m.text + " and more") if m.role == "assistant" else m for m in item.request.messages
            )
            records = list(clean_call.records)
            records[place] = (at, replace(item, request=replace(item.request, messages=told)))
            found |= _broken(clean_call, records)
    assert found == {2}


def test_a_side_effect_run_twice_or_too_early_is_found(clean_call: CallRecord) -> None:
    records = list(clean_call.records)
    place = next(i for i, (_, item) in enumerate(records) if isinstance(item, c.RunTool) and item.side_effects)
    twice = [*records[: place + 1], records[place], *records[place + 1 :]]
    assert 3 in _broken(clean_call, twice)
    early = [*records[:place], (records[place][0], e.SpeechStarted(0, 0)), *records[place:]]
    assert 3 in _broken(clean_call, early)


def test_dead_air_is_found(clean_call: CallRecord) -> None:
    records = list(clean_call.records)
    decided = _first(clean_call, c.TurnEnded)
    started = _first(clean_call, e.PlayoutStarted, decided)
    late = [(at + 2_000_000 if i >= started else at, item) for i, (at, item) in enumerate(records)]
    assert 4 in _broken(clean_call, late)


def test_an_operation_that_ends_twice_or_never_is_found(clean_call: CallRecord) -> None:
    records = list(clean_call.records)
    place = _first(clean_call, e.GenerationEnded)
    assert 5 in _broken(clean_call, [*records[: place + 1], records[place], *records[place + 1 :]])
    unended = [*records]
    del unended[place]
    assert 5 in _broken(clean_call, unended)


def test_a_result_nobody_asked_for_is_found(clean_call: CallRecord) -> None:
    records = list(clean_call.records)
    place = _first(clean_call, e.GenerationEnded)
    assert 6 in _broken(clean_call, [*records[:place], (records[place][0], e.Token(1, 999_999, "x")), *records[place:]])


def test_life_after_hanging_up_is_found(clean_call: CallRecord) -> None:
    last = clean_call.records[-1][0]
    assert 7 in _broken(clean_call, [*clean_call.records, (last, c.Play(1, 12345))])


def test_a_waterfall_that_does_not_add_up_is_found(clean_call: CallRecord) -> None:
    records = list(clean_call.records)
    place = _first(clean_call, c.Waterfall)
    told = records[place][1]
    assert isinstance(told, c.Waterfall)
    records[place] = (records[place][0], replace(told, answer=told.answer + 50_000))
    assert 8 in _broken(clean_call, records)


def test_a_turn_that_loses_words_when_it_reopens_is_found(clean_call: CallRecord) -> None:
    records = list(clean_call.records)
    place = _first(clean_call, c.TurnEnded)
    decided = records[place][1]
    assert isinstance(decided, c.TurnEnded)
    at = records[place][0]
    again = c.TurnEnded(decided.turn, "quite something else", "")
    assert 9 in _broken(clean_call, [*records[: place + 1], (at, c.TurnReopened(decided.turn, "")), (at, again)])


def test_a_journal_that_does_not_replay_is_found(clean_call: CallRecord) -> None:
    assert replayed(clean_call)[1] is None
    records = list(clean_call.records)
    del records[_first(clean_call, c.TurnEnded)]
    difference = replayed(replace(clean_call, records=records))[1]
    assert difference is not None


def test_a_failure_is_shrunken_to_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A made-up contract, that no caller may cough, is shrunken to a call with one cough in it."""
    from aivoice.testing import simulate as module
    from aivoice.testing.checks import Violation

    def no_coughing(record: CallRecord) -> list[Violation]:
        return [Violation(99, 0, "a cough") for done in record.done if done.act.behaviour == "cough"]

    monkeypatch.setattr(module, "check", no_coughing)
    index = next(i for i in range(200) if any(a.behaviour == "cough" for a in plan_call(SEED, i).acts[1:]))
    failure = shrunken(SEED, index, Violation(99, 0, "a cough"))
    assert [act.behaviour for act in failure.plan.acts] == ["cough"]
    assert failure.plan.faults == ()
    assert failure.journal.count("\n") > 5
    assert "a cough" in failure.text()


def test_a_journal_is_written_as_the_engine_writes_it(clean_call: CallRecord) -> None:
    text = journal_of(clean_call)
    assert text.startswith('{"journal":')
    assert sum('"c":"TurnEnded"' in line for line in text.splitlines()) >= 2
