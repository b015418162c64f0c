"""What a process learns from the calls of a tenant, and what it forgets."""

from __future__ import annotations

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig
from aivoice.core.speculation import Figures, Known
from aivoice.hosting import learned
from aivoice.hosting.learned import Learned

CALL = Known(1_000, settled=Figures(10, 2, 600, 300))


def test_guesses_that_did_not_pay_are_known_in_the_tenants_next_call_and_fade() -> None:
    found = Learned()
    assert found.for_call("alpha", CallConfig()) == CallConfig()
    found.observer("alpha")(0, c.Speculated(CALL, "settled"))
    assert found.for_call("alpha", CallConfig()).speculation.known == CALL
    assert found.for_call("bravo", CallConfig()) == CallConfig()
    for _ in range(10):
        found.observer("alpha")(0, c.Speculated(Known(), "eager"))
    assert 0.45 < found.for_call("alpha", CallConfig()).speculation.known.tokens / CALL.tokens < 0.55


def test_tools_are_known_by_the_median_of_their_newest_runs() -> None:
    found = Learned()
    for call, took in enumerate((100, 900, 5_000)):
        assert found.for_call("alpha", CallConfig()).tool_rules.measured == ()
        look = found.observer("alpha")
        look(1_000, c.RunTool(1, 7, "x", "look", "{}", f"k{call}", False, 5_000))
        look(1_000 + took * 1_000, e.ToolEnded(1, 7, "ok", "{}"))
        look(9_999_000, e.ToolEnded(1, 8, "ok", "{}"))
    assert found.for_call("alpha", CallConfig()).tool_rules.measured == (("look", 900),)


def test_two_calls_at_one_time_do_not_mix_their_attempts() -> None:
    found = Learned()
    one, other = found.observer("alpha"), found.observer("alpha")
    for at, look in ((0, one), (50_000, other)):
        for number in range(3):
            look(at, c.RunTool(1, number, "x", "look", "{}", "k", False, 5_000))
            look(at + 10_000, e.ToolEnded(1, number, "ok"))
    assert found.for_call("alpha", CallConfig()).tool_rules.measured == (("look", 10),)


def test_it_stays_small() -> None:
    found = Learned()
    for number in range(learned.MOST_TENANTS + 5):
        found.observer(f"t{number}")(0, c.Speculated(CALL, "settled"))
    assert found.for_call("t0", CallConfig()) == CallConfig()
    look = found.observer("t99")
    for name in range(learned.MOST_TOOLS + 9):
        for number in range(3):
            look(0, c.RunTool(1, number, "x", f"tool{name}", "{}", "k", False, 5_000))
            look(9_000, e.ToolEnded(1, number, "ok"))
    assert len(found.for_call("t99", CallConfig()).tool_rules.measured) == learned.MOST_TOOLS
