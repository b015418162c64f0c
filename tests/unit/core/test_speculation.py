"""Which guesses are made, by what they cost and save; and knowledge is looked for ahead whatever comes of that."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.unit.core.playing import TOOLS, Toy, call, kinds

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.call import Call
from aivoice.core.config import CallConfig
from aivoice.core.prompt import Passage
from aivoice.core.speculation import ASKED, Account, Figures, Known, Speculation, allowed

HOURS = Passage("Nine to five.", "hours.md")


def guesses(toy: Toy) -> list[c.Generate]:
    return [each for each in toy.said(c.Generate) if each.speculative]


def ask(toy: Toy, text: str = "what are your opening hours?", final: str = "") -> None:
    """A question whose final says `final`, or the same; answered, and heard to the end."""
    toy.voice(text, final=False)
    toy.pass_time(60)
    if toy.of(c.Generate):
        toy.generate("We open at nine. ", end=False)
    toy.synthesise()
    toy.pass_time(90)
    toy.feed(e.Heard("final", final or text, 0, toy.position))
    toy.pass_time(1_400)
    toy.generate("We open at nine. " if toy.of(c.Generate) else "")
    toy.synthesise()
    toy.pass_time(4_000)


class TestWhatIsAllowed:
    @pytest.mark.parametrize(("most", "level"), [("off", 0), ("eager", 1), ("settled", 2), ("interim", 3)])
    def test_as_far_as_the_tenant_wants_while_nothing_is_known(self, most: str, level: int) -> None:
        assert allowed(Speculation(most=most), Known()) == level  # type: ignore[arg-type]
        assert not allowed(Speculation(enabled=False, most=most), Known())  # type: ignore[arg-type]

    def test_the_budget_cuts_the_least_certain_first(self) -> None:
        rules = Speculation(most="interim")
        dear = Figures(guesses=20, hits=15, wasted=500, saved_ms=4_000)
        cheap = replace(dear, wasted=250)
        assert allowed(rules, Known(2_000, cheap, cheap, cheap)) == 2
        assert allowed(rules, Known(2_000, cheap, dear, cheap)) == 1
        assert allowed(rules, Known(2_000, replace(dear, wasted=700), dear, dear)) == 0
        assert allowed(replace(rules, waste=1.0), Known(2_000, dear, dear, dear)) == 3

    def test_a_kind_that_saves_nothing_is_not_used_until_that_is_long_ago(self) -> None:
        useless = Figures(guesses=20, hits=0, wasted=0, saved_ms=100)
        known = Known(2_000, settled=useless)
        assert allowed(Speculation(), known) == 1
        for _ in range(12):
            known = known.plus(Known(), keep=0.9)
        assert allowed(Speculation(), known) == 2

    def test_of_little_nothing_is_concluded(self) -> None:
        assert allowed(Speculation(), Known(400, settled=Figures(5, 0, 400, 0))) == 2

    def test_known_figures_add_up_and_fade(self) -> None:
        one = Known(100, eager=Figures(1, 1, 0, 50), settled=Figures(2, 1, 40, 100))
        both = one.plus(one, keep=0.5)
        assert both == Known(150, Figures(1.5, 1.5, 0, 75), Figures(3, 1.5, 60, 150))
        assert both.waste() == 60 / 150 and Known().waste() == 0
        assert one.total() == Figures(3, 2, 40, 150)


class TestTheAccount:
    def test_a_request_counts_though_nothing_came_of_it_and_the_providers_count_goes_first(self) -> None:
        account = Account()
        for attempt in (1, 2, 3):
            account.asked(attempt, "settled")
        account.wrote(2, "nine letter")
        account.wrote(3, "We open at nine.")
        account.thrown_away([2, 3])
        account.told(3, 70)  # a moment later: it was cancelled
        assert account.known().tokens == 3 * ASKED + 3 + 70
        assert account.known().settled.wasted == 2 * ASKED + 3 + 70

    def test_what_is_long_over_is_kept_as_a_sum(self) -> None:
        account = Account()
        for attempt in range(1, 41):
            account.asked(attempt, "eager" if attempt % 2 else "")
            account.wrote(attempt, "four")
            account.thrown_away([attempt] if attempt % 2 else [])
        for forgotten in (1, 999):
            account.wrote(forgotten, "late")
            account.told(forgotten, 5)
            account.thrown_away([forgotten])
        assert account.known().tokens == 40 * (ASKED + 1)
        assert account.known().eager.wasted == 20 * (ASKED + 1)
        assert len(account.requests) <= 17


class TestInCalls:
    def test_every_call_tells_what_its_guesses_came_to(self) -> None:
        toy = call(CallConfig())
        ask(toy)
        ask(toy, final="what are your opening hours on sunday?")
        toy.feed(e.HungUp("caller_hung_up"))
        (told,) = toy.said(c.Speculated)
        assert kinds([*toy.said(c.Speculated), toy.log[-1][1]]) == ["Speculated", "Finish"]
        settled, eager = told.call.settled, told.call.eager
        assert (settled.guesses, settled.hits) == (2, 1)
        assert settled.wasted >= ASKED and 0 < told.call.waste() < 1
        assert told.most == "settled"
        falls = toy.said(c.Waterfall)
        assert sum(fall.saved for fall in falls) == (settled.saved_ms + eager.saved_ms) * 1_000
        assert falls[0].saved > 0 and falls[0].speculative

    def test_a_call_in_which_nothing_was_asked_tells_nothing(self) -> None:
        toy = call()
        toy.feed(e.HungUp("caller_hung_up"))
        assert not toy.said(c.Speculated)

    def test_what_was_saved_ends_where_the_answer_was_ready(self) -> None:
        toy = call(CallConfig())
        toy.voice("I would like to ask about the parking", final=False)
        toy.pass_time(100)
        begun = toy.now
        toy.generate("There is parking. ")
        toy.pass_time(50)
        toy.synthesise()
        toy.pass_time(3_000)  # the turn is decided long after
        assert toy.said(c.Waterfall)[-1].saved <= (toy.now - begun) * 1_000
        assert toy.said(c.Waterfall)[-1].saved < 200_000

    def test_a_tenant_over_its_budget_is_answered_without_guesses_of_that_kind(self) -> None:
        known = Known(5_000, settled=Figures(50, 5, 4_000, 5_000))
        toy = call(CallConfig(speculation=Speculation(known=known)))
        toy.voice("what are your opening hours?", final=False)
        assert not guesses(toy)
        toy.feed(e.Heard("final", "what are your opening hours?", 0, toy.position))
        assert toy.said(c.Generate)
        toy.generate("We open at nine. ")
        toy.synthesise()
        toy.pass_time(4_000)
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("eager", "and on sunday?", toy.position, toy.position + 8_000))
        assert len(guesses(toy)) == 1, "an eager end is another kind"

    def test_the_waste_of_this_call_alone_stops_it_and_what_is_used_brings_it_back(self) -> None:
        toy = call(CallConfig(speculation=Speculation(limit=30, waste=0.3, worth_ms=0)))
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.pass_time(200)
        toy.feed(e.SpeechEnded(toy.position, toy.now * 1_000))
        toy.pass_time(150)
        for number in range(30):
            toy.feed(e.Heard("interim", f"tell me of your plan number {number + 30} please", 0, toy.position))
            toy.pass_time(5)
        first = len(guesses(toy))
        assert 5 <= first < 20
        toy.feed(e.Heard("final", "tell me of your plans please", 0, toy.position))
        command = toy.of(c.Generate)[-1]
        toy.feed(e.Usage(1, command.attempt, 500, 5_000))
        toy.generate("We have many. ")
        toy.synthesise()
        toy.pass_time(4_000)
        toy.voice("what are your opening hours?", final=False)
        assert len(guesses(toy)) == first + 1

    def test_a_restored_call_goes_on_with_its_account(self) -> None:
        config = CallConfig(retrieval=True)
        toy = call(config)
        toy.voice("what are your opening hours?", final=False)
        restored = Call.restore(json.loads(json.dumps(toy.call.snapshot())), config)
        for each in (toy.call, restored):
            each.handle(e.HungUp("caller_hung_up"), toy.now * 1_000)
        one, other = ([*iter(each.poll, None)] for each in (toy.call, restored))
        assert one == other


class TestKnowledgeAhead:
    OFF = CallConfig(retrieval=True, speculation=Speculation(most="off"))

    def test_it_is_there_when_the_turn_ends_though_no_guess_is_made(self) -> None:
        toy = call(self.OFF)
        toy.voice("what are your opening hours?", final=False)
        (search,) = toy.of(c.Retrieve)
        assert search.ahead and search.query == "what are your opening hours?"
        toy.open.pop(search.attempt)
        toy.feed(e.PassagesFound(search.turn, search.attempt, (HOURS,)))
        assert not guesses(toy)
        toy.feed(e.Heard("final", "What are your opening hours?", 0, toy.position))
        assert toy.of(c.Generate)[0].request.passages == (HOURS,)
        assert len(toy.said(c.Retrieve)) == 1

    def test_words_that_stand_still_are_looked_up_while_the_caller_speaks(self) -> None:
        toy = call(self.OFF)
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        for text in ("what", "what are", "what are your"):
            toy.pass_time(150)
            toy.feed(e.Heard("interim", text, 0, toy.position))
        assert not toy.said(c.Retrieve)
        toy.pass_time(250)
        assert [each.query for each in toy.said(c.Retrieve)] == ["what are your"]

    def test_a_turn_has_only_so_many_searches_and_a_newer_one_ends_the_older(self) -> None:
        toy = call(self.OFF)
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        for number in range(8):
            toy.feed(e.Heard("interim", f"do you have plan {number + 30}", 0, toy.position))
            toy.pass_time(250)
        assert len(toy.said(c.Retrieve)) == 4
        assert len(toy.of(c.Retrieve)) == 1
        toy.feed(e.HungUp("caller_hung_up"))
        assert not toy.of(c.Retrieve)

    def test_a_slow_search_leaves_what_was_found_for_the_turns_beginning(self) -> None:
        toy = call(self.OFF)
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("interim", "what are your opening", 0, toy.position))
        toy.pass_time(300)
        search = toy.of(c.Retrieve)[0]
        toy.open.pop(search.attempt)
        toy.feed(e.PassagesFound(search.turn, search.attempt, (HOURS,)))
        toy.feed(e.SpeechEnded(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("final", "what are your opening hours please", 0, toy.position))
        toy.pass_time(250)
        assert toy.of(c.Generate)[0].request.passages == (HOURS,)

    def test_none_where_there_is_no_knowledge(self) -> None:
        toy = call(TOOLS)
        toy.voice("when are you free on monday?", final=False)
        assert not toy.said(c.Retrieve)
