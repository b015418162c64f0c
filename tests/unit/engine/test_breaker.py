"""The circuit breaker against a model of its table, for any order of attempts, verdicts and time."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aivoice.engine.breaker import Breaker, BreakerRules, Permit

RULES = BreakerRules(failures=3, cooldown_s=5.0, longest_s=20.0)


def test_it_opens_after_failures_in_a_row_and_lets_one_probe_through() -> None:
    breaker = Breaker(RULES)
    for _ in range(3):
        permit = breaker.admit(0.0)
        assert permit is not None
        permit.failure(0.0)
    assert breaker.state(4.9) == "open"
    assert breaker.admit(4.9) is None
    probe = breaker.admit(5.0)
    assert probe is not None
    assert probe.probe
    assert breaker.admit(5.0) is None, "a second probe at the same time"
    probe.failure(5.0)
    assert breaker.state(14.9) == "open", "the pause did not double"
    second = breaker.admit(15.0)
    assert second is not None
    second.success()
    assert breaker.state(15.0) == "closed"


def test_a_success_in_between_starts_the_count_again() -> None:
    breaker = Breaker(RULES)
    for failed in (True, True, False, True, True):
        permit = breaker.admit(0.0)
        assert permit is not None
        permit.failure(0.0) if failed else permit.success()
    assert breaker.state(0.0) == "closed"


def test_a_stream_that_worked_and_then_broke_counts_as_a_failure() -> None:
    breaker = Breaker(BreakerRules(failures=1))
    permit = breaker.admit(0.0)
    assert permit is not None
    permit.success()
    permit.failure(1.0)
    assert breaker.state(1.0) == "open"
    permit.failure(2.0)
    assert breaker.reopens_at == 6.0, "one attempt failed twice"


def probed() -> tuple[Breaker, Permit]:
    """A breaker that opened at 0 s, and its probe at 6 s."""
    breaker = Breaker(BreakerRules(failures=1))
    first = breaker.admit(0.0)
    assert first is not None
    first.failure(0.0)
    probe = breaker.admit(6.0)
    assert probe is not None
    return breaker, probe


def test_a_cancelled_probe_leaves_the_probe_to_another() -> None:
    breaker, probe = probed()
    probe.release()
    assert breaker.admit(6.0) is not None


def test_beside_a_probe_that_lasts_a_call_with_nothing_else_is_served() -> None:
    breaker, _ = probed()
    other = breaker.admit(6.0, last_resort=True)
    assert other is not None
    assert not other.probe
    other.success()
    assert breaker.state(6.0) == "closed"


class BreakerMachine(RuleBasedStateMachine):
    """Whatever happens: open means no ordinary attempt, at most one probe runs, and time always heals."""

    @initialize()
    def begin(self) -> None:
        self.breaker = Breaker(RULES)
        self.now = 0.0
        self.live: list[Permit] = []

    @rule(seconds=st.floats(0.0, 30.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(last_resort=st.booleans())
    def attempt(self, last_resort: bool) -> None:
        before = self.breaker.state(self.now)
        probing = any(permit.probe for permit in self.live)
        permit = self.breaker.admit(self.now, last_resort=last_resort)
        if before == "closed":
            assert permit is not None
            assert not permit.probe
        elif before == "open" and not last_resort:
            assert permit is None
        elif last_resort:
            assert permit is not None
        if permit is not None and before != "closed":
            assert not permit.probe or not probing
        if permit is not None:
            self.live.append(permit)

    @rule(data=st.data(), verdict=st.sampled_from(["success", "failure", "release"]))
    def end(self, data: st.DataObject, verdict: str) -> None:
        if not self.live:
            return
        permit = self.live.pop(data.draw(st.integers(0, len(self.live) - 1)))
        match verdict:
            case "success":
                permit.success()
                assert self.breaker.state(self.now) == "closed"
            case "failure":
                permit.failure(self.now)
            case _:
                permit.release()

    @invariant()
    def the_pause_is_bounded(self) -> None:
        assert self.breaker.reopens_at <= self.now + RULES.longest_s

    @invariant()
    def after_the_pause_somebody_may_try(self) -> None:
        if not any(permit.probe for permit in self.live):
            later = self.breaker.admit(self.now + RULES.longest_s)
            assert later is not None
            later.release()


TestBreaker = BreakerMachine.TestCase
