"""All checks over one simulated call, and what the call was like in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import DEFAULT_CLIPS
from aivoice.core.text import words
from aivoice.testing import scenarios
from aivoice.testing.callers import Done
from aivoice.testing.checks import (
    Check,
    EngineBugs,
    HangUp,
    OneVoice,
    Operations,
    SideEffects,
    Violation,
    Waterfalls,
)
from aivoice.testing.checks_heard import Doubled, History, Reopening, Silence
from aivoice.testing.fake_tts import word_starts
from aivoice.testing.simulated import CallRecord

_SPELLED = ("spell", "number")
WORDS_OFF = "words off at a stop"
"""In thousandths, among the latencies in µs: so that all are shown divided by 1,000."""
_AUDIBLE = 1_600  # samples of a word from which it was heard
YIELD_US = 2_500_000
"""An interruption that the agent has not given way to after so long was not understood."""


def check(record: CallRecord) -> list[Violation]:
    """Everything that the call did against a contract, in order."""
    last = record.records[-1][0] if record.records else 0
    if record.crash:
        return [Violation(0, last, record.crash)]
    texts = {**DEFAULT_CLIPS, **scenarios.config(record.plan).clips}
    trusted = not any(fault.stage == "vad" for fault in record.plan.faults)
    checks: list[Check] = [
        OneVoice(), History(texts), SideEffects(), Silence(measure=trusted), Operations(), HangUp(),
        Waterfalls(measure=trusted), Reopening(), EngineBugs(),
    ]  # fmt: skip
    if _is_clean(record):
        said = tuple(w for done in record.done for w in words(done.act.text))
        checks.append(Doubled(said))
    found: list[Violation] = []
    for at, item in record.records:
        for each in checks:
            found.extend(each.feed(at, item))
    for each in checks:
        found.extend(each.close(last))
    found.extend(Violation(7, last, f"after the call: {left}") for left in record.leftovers)
    keys = [key for _, key in record.tool_runs]
    if len(keys) != len(set(keys)) and not any(name == "check_slots" for name, _ in record.tool_runs):
        found.append(Violation(3, last, "the tool runner was given one key twice"))
    return found


def _is_clean(record: CallRecord) -> bool:
    """The recogniser hears the caller and nothing else, without mistakes."""
    plan = record.plan
    deaf = any(fault.stage in ("stt", "vad") for fault in plan.faults)
    return not (plan.echo or plan.chatter or plan.stt.mishear or plan.stt.revise or deaf)


@dataclass(slots=True)
class Figures:
    """Sums over calls; merge with `add`. Latencies in µs."""

    calls: int = 0
    simulated_us: int = 0
    violations: dict[int, int] = field(default_factory=dict[int, int])
    behaviours: dict[str, int] = field(default_factory=dict[str, int])
    faults: dict[str, int] = field(default_factory=dict[str, int])
    reasons: dict[str, int] = field(default_factory=dict[str, int])
    counts: dict[str, int] = field(default_factory=dict[str, int])
    latencies: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def add(self, other: Figures) -> None:
        """Merge."""
        self.calls += other.calls
        self.simulated_us += other.simulated_us
        for mine, theirs in (
            (self.violations, other.violations), (self.behaviours, other.behaviours), (self.faults, other.faults),
            (self.reasons, other.reasons), (self.counts, other.counts),
        ):  # fmt: skip
            for key, count in theirs.items():
                mine[key] = mine.get(key, 0) + count  # type: ignore[index]
        for key, values in other.latencies.items():
            self.latencies.setdefault(key, []).extend(values)

    def count(self, name: str, times: int = 1) -> None:
        """One more of `name`."""
        self.counts[name] = self.counts.get(name, 0) + times

    def latency(self, name: str, us: int) -> None:
        """One measurement."""
        self.latencies.setdefault(name, []).append(us)

    def rate(self, part: str, whole: str) -> float:
        """Share of `part` in `whole`, 0 where there is none."""
        return self.counts.get(part, 0) / max(self.counts.get(whole, 0), 1)


def figures(record: CallRecord, violations: list[Violation]) -> Figures:
    """One call in numbers."""
    out = Figures(calls=1)
    if record.records:
        out.simulated_us = record.records[-1][0] - record.records[0][0]
    for violation in violations:
        out.violations[violation.contract] = out.violations.get(violation.contract, 0) + 1
    for (stage, kind), count in record.faults.items():
        out.faults[f"{stage} {kind}"] = count
    for done in record.done:
        out.behaviours[done.act.behaviour] = out.behaviours.get(done.act.behaviour, 0) + 1
    if record.plan.echo:
        out.behaviours["echo"] = 1
    if record.plan.chatter:
        out.behaviours[record.plan.chatter.voice] = 1
    if record.plan.stt.late_final:
        out.behaviours["late finals"] = 1
    out.reasons[record.ended.reason if record.ended else "none"] = 1
    _thinking(record, out)
    _words_off(record, out)
    if not (record.plan.faults or record.plan.chatter):
        _turns(record, out)
        if not record.plan.echo:
            _lost(record, out)
        _over_the_agent(record, out)
    _echoes(record, out)
    return out


def _thinking(record: CallRecord, out: Figures) -> None:
    plain = not (record.plan.faults or record.plan.chatter or record.plan.echo)
    kind = "speculating" if record.plan.speculation else "not speculating"
    for _, item in record.records:
        match item:
            case c.Generate(speculative=speculative):
                out.count("generations")
                out.count("speculations", int(speculative))
            case c.TurnEnded():
                out.count("turns")
            case c.TurnReopened():
                out.count("reopened")
            case c.ReplyEnded(outcome="discarded"):
                out.count("discarded")
            case c.Waterfall(mouth_to_ear=told) if plain:
                out.latency(f"mouth-to-ear, {kind}", told)
            case _:
                pass


def _turns(record: CallRecord, out: Figures) -> None:
    """Whether a turn was ended inside the caller's pauses, and whether something was heard there."""
    ended = [at for at, item in record.records if isinstance(item, c.TurnEnded)]
    sounded = [at for at, item in record.records if isinstance(item, e.PlayoutStarted)]
    for done in record.done:
        spelled = "spelled " if done.act.behaviour in _SPELLED else ""
        for start, end in done.pauses:
            out.count(f"{spelled}pauses")
            if any(start < at < end + 60_000 for at in ended):
                out.count(f"{spelled}pauses ended")
                if any(start < at < end + 60_000 for at in sounded):
                    out.count(f"{spelled}pauses spoken into")


def _lost(record: CallRecord, out: Figures) -> None:
    """Sentences of the caller of which the model never saw half."""
    told = [(at, frozenset(words(item.text))) for at, item in record.records if isinstance(item, c.TurnEnded)]
    for done in record.done:
        said = words(done.act.text)
        if done.act.behaviour not in ("talk", "pause", "interrupt", "spell", "number", "resume") or not said:
            continue
        if done.end > record.records[-1][0] - 3_000_000:
            continue  # the call ended before the turn could be decided
        seen = frozenset(w for at, turn in told if done.start <= at <= done.end + 12_000_000 for w in turn)
        out.count("sentences")
        out.count("sentences lost", int(sum(w in seen for w in said) < len(said) / 2))


def _over_the_agent(record: CallRecord, out: Figures) -> None:
    for done in record.done:
        if done.act.moment != "over" or not done.agent_sounding:
            continue
        kind = done.act.behaviour
        out.count(kind)
        after = [(at, item) for at, item in record.records if done.start <= at <= done.end + YIELD_US]
        yielded = any(
            isinstance(item, c.ReplyEnded) and item.outcome != "finished" and at >= done.start for at, item in after
        )
        out.count(f"{kind} yielded", int(yielded))
        hold = next((at for at, item in after if isinstance(item, c.Hold | c.Stop)), None)
        if hold is not None:
            out.latency("onset to quiet", hold - done.start)
            resumed = next((at for at, item in after if isinstance(item, c.Resume) and at >= hold), None)
            if kind in ("backchannel", "cough") and resumed is not None and not yielded:
                out.latency(f"{kind}: end to speech", max(0, resumed - done.end))
                out.latency(f"{kind}: hole", resumed - hold)
        if kind == "interrupt":
            _decision(after, out)


def _decision(after: list[tuple[int, e.Event | c.Command]], out: Figures) -> None:
    heard = next((at for at, item in after if isinstance(item, e.Heard) and item.text), None)
    decided = next((at for at, item in after if isinstance(item, c.Stop | c.Resume)), None)
    if heard is not None and decided is not None and decided >= heard:
        out.latency("first words to decision", decided - heard)


def _words_off(record: CallRecord, out: Figures) -> None:
    """At each stop: by how many words the engine's idea of what was heard differs from what the voice had said."""
    texts: dict[int, str] = {}
    tainted = {f.kind for f in record.plan.faults if f.stage == "tts"}
    for _, item in record.records if not tainted else ():
        match item:
            case c.Speak(attempt=attempt, text=text):
                texts[attempt] = texts.get(attempt, "") + text
            case e.PlayoutHeld(attempt=attempt, samples=samples, words=starts) if attempt in texts:
                told = sum(start + _AUDIBLE <= samples for start in starts)
                said = sum(start + _AUDIBLE <= samples for start in word_starts(texts[attempt], record.plan.tts.rate))
                out.latency(WORDS_OFF, 1_000 * abs(told - said))
            case _:
                pass


def _echoes(record: CallRecord, out: Figures) -> None:
    """Replies cut short while nothing but their own echo was heard."""
    if record.plan.echo is None or record.plan.chatter or record.plan.faults:
        return
    own = [(d.start, d.end) for d in record.done if d.start != d.end]
    for at, item in record.records:
        match item:
            case e.PlayoutStarted():
                out.count("clips over speakerphones")
            case c.ReplyEnded(outcome="interrupted" | "discarded") if item.why and not _near(own, at):
                if any(start <= at <= end + 2_000_000 for start, end in record.echoes):
                    out.count("self-interruptions")
            case _:
                pass
    out.count("echoes heard", len(record.echoes))


def _near(stretches: list[tuple[int, int]], at: int) -> bool:
    return any(start <= at <= end + 2_000_000 for start, end in stretches)


def sounding(done: Done) -> bool:
    """Whether the act made a sound."""
    return done.end > done.start and done.act.behaviour != "silent"
