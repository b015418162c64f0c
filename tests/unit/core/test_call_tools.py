"""Tools, knowledge and how a call ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.core.playing import LOOK, TOOLS, answered, call, heard, kinds

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig, Emergency, Endpointing, Lease, Speculation, Target, Tools
from aivoice.core.prompt import Passage


class TestTools:
    def test_reading_runs_at_once_and_the_result_goes_into_the_next_round(self) -> None:
        toy = call(TOOLS)
        toy.voice("when are you free on monday?")
        toy.generate("Let me look. ", tools=(("t1", "look", '{"day": "monday"}'),))
        run = toy.of(c.RunTool)[0]
        assert run.arguments == '{"day":"monday"}'
        toy.open.pop(run.attempt)
        toy.feed(e.ToolEnded(run.turn, run.attempt, "ok", '{"free":["9:00"]}'))
        messages = toy.of(c.Generate)[-1].request.messages
        assert [message.role for message in messages[-3:]] == ["user", "assistant", "tool"]
        assert messages[-1].text == '{"free":["9:00"]}'

    def test_a_side_effect_waits_for_quiet_and_runs_once(self) -> None:
        toy = call(TOOLS)
        toy.voice("book it for monday, yes please")
        made = toy.generate(tools=(("t1", "book", '{"b":1,"a":2}'), ("t2", "book", '{"a":2,"b":1}')))
        assert "RunTool" not in kinds(made)
        made = toy.pass_time(400)
        assert kinds(made).count("RunTool") == 1
        run = toy.of(c.RunTool)[0]
        toy.feed(e.ToolAccepted(run.turn, run.attempt))
        toy.pass_time(500)
        assert toy.said(c.Play)[-1].cached == "filler"
        toy.open.pop(run.attempt)
        toy.feed(e.ToolEnded(run.turn, run.attempt, "ok", '{"ok":true}'))
        toy.pass_time(2_000)
        results = [message.text for message in toy.of(c.Generate)[-1].request.messages if message.role == "tool"]
        assert results == ['{"ok":true}', '{"ok":true}']

    def test_a_tool_that_stays_slow_has_a_second_line_of_its_own(self) -> None:
        lines = {"filler.look": "I'll look.", "filler.look.2": "The diary is slow today."}
        for clips, second in ((lines, "filler.look.2"), ({}, "filler.slow")):
            toy = call(replace(TOOLS, clips={**TOOLS.clips, **clips}))
            toy.voice("when are you free on monday?")
            toy.generate(tools=(("t1", "look", "{}"),))
            toy.pass_time(12_000)
            said = [play.cached for play in toy.said(c.Play) if play.cached.startswith("filler")]
            assert said[1] == second
            assert said[2] == "filler.slow"

    def test_a_stuck_vad_does_not_keep_a_booking_waiting_for_ever(self) -> None:
        toy = call(TOOLS)
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("interim", "book it for monday, yes please", 0, toy.position))
        toy.pass_time(2_600)
        toy.generate(tools=(("t1", "book", "{}"),))
        assert not toy.of(c.RunTool)
        toy.pass_time(3_000)
        assert toy.of(c.RunTool)

    def test_the_same_booking_asked_for_again_shares_the_first_outcome(self) -> None:
        toy = call(TOOLS)
        toy.voice("book it for monday, yes please")
        toy.generate(tools=(("t1", "book", "{}"),))
        toy.pass_time(350)
        run = toy.of(c.RunTool)[0]
        toy.open.pop(run.attempt)
        toy.feed(e.ToolEnded(run.turn, run.attempt, "ok", '{"ok":true}'))
        toy.generate(tools=(("t2", "book", "{}"),))
        assert len(toy.said(c.RunTool)) == 1
        toy.generate("Done. ")
        toy.synthesise()
        toy.pass_time(3_000)
        assert heard(toy)[-1] == ("finished", "Done.")

    def test_a_booking_is_not_undone_by_an_interruption_and_told_later(self) -> None:
        toy = call(TOOLS)
        toy.voice("book it for monday, yes please")
        toy.generate("I am booking that for you now. ", tools=(("t1", "book", "{}"), ("t2", "look", "{}")))
        toy.synthesise()
        toy.pass_time(700)
        run = next(run for run in toy.of(c.RunTool) if run.side_effects)
        toy.voice("wait, one more thing is that all right?")
        assert run.attempt in toy.open
        toy.open.pop(run.attempt)
        toy.feed(e.ToolEnded(run.turn, run.attempt, "ok", '{"ok":true}'))
        toy.generate("Sure. ")
        toy.synthesise()
        toy.pass_time(2_000)
        told = toy.of(c.Generate)
        assert told, "the result is told once nobody speaks"
        assert '{"ok":true}' in [message.text for message in told[-1].request.messages]

    def test_a_reply_guessed_before_the_result_came_is_made_again_with_it(self) -> None:
        toy = call(replace(TOOLS, speculation=Speculation(), endpointing=Endpointing(closed=900)))
        toy.voice("book it for monday, yes please")
        toy.pass_time(900)
        toy.generate("I am booking that for you now. ", tools=(("t1", "book", "{}"),))
        toy.synthesise()
        toy.pass_time(700)
        run = next(run for run in toy.of(c.RunTool) if run.side_effects)
        toy.voice("wait, one more thing is that all right?")
        toy.pass_time(300)
        guess = toy.of(c.Generate)[-1]
        assert guess.speculative
        toy.open.pop(run.attempt)
        toy.feed(e.ToolEnded(run.turn, run.attempt, "ok", '{"ok":true}'))
        toy.pass_time(900)
        assert guess.attempt not in toy.open
        told = toy.of(c.Generate)[-1].request.messages
        assert '{"ok":true}' in [message.text for message in told]

    def test_a_booking_begun_before_anything_was_heard_keeps_the_turn(self) -> None:
        toy = call(TOOLS)
        toy.voice("book it for monday, yes please")
        toy.generate(tools=(("t1", "book", "{}"),))
        toy.pass_time(350)
        toy.voice("and call me back as well, please.")
        toy.pass_time(500)
        assert not toy.said(c.TurnReopened)
        assert toy.said(c.TurnEnded)[-1].turn == 2

    def test_a_booking_not_yet_begun_vanishes_with_its_turn(self) -> None:
        toy = call(TOOLS)
        toy.voice("book it for monday, yes please")
        toy.generate(tools=(("t1", "book", "{}"),))
        toy.voice("no sorry, tuesday that's right")
        assert toy.said(c.TurnReopened)
        assert not toy.said(c.RunTool)

    @pytest.mark.parametrize(
        ("declared", "measured", "bridged_after"),
        [(0, 0, 400), (200, 0, 400), (900, 0, 0), (200, 900, 0), (900, 200, 400)],
    )
    def test_a_tool_known_to_be_slow_is_bridged_at_once(self, declared: int, measured: int, bridged_after: int) -> None:
        rules = Tools(measured=(("look", measured),) if measured else ())
        toy = call(replace(TOOLS, tools=(replace(LOOK, usual_ms=declared),), tool_rules=rules))
        toy.voice("when are you free on monday?")
        toy.generate(tools=(("t1", "look", "{}"),))
        asked = toy.now
        toy.pass_time(1_000)
        (filler,) = [at for at, each in toy.log if isinstance(each, c.Play) and each.cached == "filler"]
        assert filler - asked == bridged_after

    def test_the_quiet_before_a_side_effect_counts_as_its_time(self) -> None:
        for usual, bridged in ((50, False), (150, True)):
            toy = call(replace(TOOLS, tool_rules=Tools(measured=(("book", usual),))))
            toy.voice("book it for monday, yes please")
            made = toy.generate(tools=(("t1", "book", "{}"),))
            assert ("Play" in kinds(made)) == bridged

    def test_a_lookup_begun_by_a_guess_that_is_almost_done_needs_no_bridge(self) -> None:
        config = replace(TOOLS, speculation=Speculation(), tool_rules=Tools(measured=(("look", 700),)))
        toy = call(config)
        toy.voice("I would like to know when you are free on monday", final=False)
        toy.generate(tools=(("t1", "look", "{}"),))
        toy.pass_time(500)
        made = toy.feed(e.Heard("final", "I would like to know when you are free on monday.", 0, toy.position))
        made += toy.pass_time(50)
        assert toy.said(c.TurnEnded) and "Play" not in kinds(made)

    def test_a_lookup_goes_on_while_the_caller_talks_and_is_not_made_again(self) -> None:
        toy = call(TOOLS)
        toy.voice("when are you free on monday?")
        toy.generate("Let me have a look at that for you. ", tools=(("t1", "look", '{"day":"monday"}'),))
        toy.synthesise()
        toy.pass_time(600)
        run = toy.of(c.RunTool)[0]
        toy.voice("in the morning please")
        assert toy.said(c.TurnEnded)[-1].turn == 2 and run.attempt in toy.open
        toy.generate(tools=(("t2", "look", '{"day":"monday"}'),))
        toy.open.pop(run.attempt)
        toy.feed(e.ToolEnded(run.turn, run.attempt, "ok", '{"free":["9:00"]}'))
        assert len(toy.said(c.RunTool)) == 1
        told = toy.of(c.Generate)[-1].request.messages
        assert (told[-1].tool_call_id, told[-1].text) == ("t2", '{"free":["9:00"]}')

    def test_what_a_guess_has_looked_up_is_kept_for_the_turn(self) -> None:
        toy = call(replace(TOOLS, speculation=Speculation()))
        toy.voice("when are you free on monday?", final=False)
        toy.generate(tools=(("t1", "look", "{}"),))
        run = toy.of(c.RunTool)[0]
        toy.open.pop(run.attempt)
        toy.feed(e.ToolEnded(run.turn, run.attempt, "ok", '{"free":["9:00"]}'))
        toy.feed(e.Heard("final", "when are you free on monday, please?", 0, toy.position))
        toy.generate(tools=(("t2", "look", "{}"),))
        assert len(toy.said(c.RunTool)) == 1
        assert toy.of(c.Generate)[-1].request.messages[-1].text == '{"free":["9:00"]}'

    def test_a_lookup_that_failed_or_is_old_is_made_again(self) -> None:
        for outcome, turns in (("failed", 1), ("ok", 2)):
            toy = call(TOOLS)
            toy.voice("when are you free on monday?")
            toy.generate("Let me have a look at that for you. ", tools=(("t1", "look", "{}"),))
            toy.synthesise()
            toy.pass_time(600)
            run = toy.of(c.RunTool)[0]
            for number in range(turns):
                toy.voice(f"or rather tell me about plan {number + 30} please.")
                toy.open.pop(run.attempt, None)
                toy.feed(e.ToolEnded(run.turn, run.attempt, outcome, "{}"))
                if number + 1 < turns:
                    toy.generate("It is good. ")
                    toy.synthesise()
                    toy.pass_time(3_000)
            toy.generate(tools=(("t2", "look", "{}"),))
            assert len(toy.said(c.RunTool)) == 2

    def test_hanging_up_ends_a_lookup_that_nobody_waits_for(self) -> None:
        toy = call(TOOLS)
        toy.voice("when are you free on monday?")
        toy.generate("Let me have a look at that for you. ", tools=(("t1", "look", "{}"),))
        toy.synthesise()
        toy.pass_time(600)
        toy.voice("in the morning please")
        toy.feed(e.HungUp("caller_hung_up"))
        assert not toy.of(c.RunTool)

    def test_an_unknown_tool_fails_at_once(self) -> None:
        toy = call(TOOLS)
        toy.voice("when are you free on monday?")
        toy.generate(tools=(("t1", "nonsense", "not json"),))
        assert toy.of(c.Generate)[-1].request.messages[-1].text == '{"status":"failed"}'

    def test_a_model_that_never_stops_calling_tools_is_stopped(self) -> None:
        toy = call(TOOLS)
        toy.voice("when are you free on monday?")
        for number in range(6):
            if not toy.of(c.Generate):
                break
            toy.generate(tools=((f"t{number}", "nonsense", "{}"),))
        assert toy.said(c.Play)[-1].cached == "apology"

    def test_results_nobody_waits_for_are_noted(self) -> None:
        toy = call(TOOLS)
        assert kinds(toy.feed(e.ToolEnded(1, 77, "ok"))) == ["Note"]
        assert kinds(toy.feed(e.ToolRequested(1, 77, "x", "look", "{}"))) == ["Note"]


class TestKnowledge:
    CONFIG = CallConfig(retrieval=True, speculation=Speculation(enabled=False))

    def test_passages_come_before_the_answer(self) -> None:
        toy = call(self.CONFIG)
        toy.voice("what are your opening hours?")
        search = toy.of(c.Retrieve)[0]
        toy.open.pop(search.attempt)
        toy.feed(e.PassagesFound(1, search.attempt, (Passage("Nine to five.", "hours.md"),)))
        assert toy.of(c.Generate)[0].request.passages[0].source == "hours.md"
        assert kinds(toy.feed(e.PassagesFound(1, search.attempt, ()))) == ["Note"]

    def test_a_slow_search_is_not_waited_for(self) -> None:
        toy = call(self.CONFIG)
        toy.voice("what are your opening hours?")
        toy.pass_time(250)
        assert toy.of(c.Generate)[0].request.passages == ()

    def test_background_results_show_in_the_next_prompt(self) -> None:
        toy = call(CallConfig(note_taking=True))
        answered(toy)
        toy.pass_time(5_000)
        asked = toy.said(c.Extract)[-1]
        toy.feed(e.StateReady(asked.turn, asked.attempt, (("name", "Ana"), ("gone", ""))))
        toy.feed(e.SummaryReady(0, 1, "Nobody asked for it."))
        toy.feed(e.Usage(0, 1, 1, 1))
        toy.feed(e.ProviderAttempt("llm", "x", "started"))
        toy.voice("what are your opening hours?")
        assert toy.of(c.Generate)[0].request.state == "name: Ana"


class TestEndings:
    def test_end_call_says_goodbye_first(self) -> None:
        toy = call()
        toy.voice("that's all thank you")
        toy.generate("Goodbye then. ", tools=(("t", "end_call", "{}"),))
        assert not toy.finished
        toy.synthesise()
        toy.pass_time(2_000)
        assert toy.finished == "agent_ended"

    @pytest.mark.parametrize("arguments", ['{"target":"office"}', "nonsense", "[]"])
    def test_the_model_can_transfer(self, arguments: str) -> None:
        toy = call()
        toy.voice("that's all thank you")
        toy.generate("One moment. ", tools=(("t", "transfer", arguments),))
        toy.synthesise()
        toy.pass_time(2_000)
        transfer = toy.of(c.Transfer)[0]
        assert transfer.target == ("office" if "office" in arguments else "")
        toy.feed(e.TransferState(transfer.turn, transfer.attempt, "ringing"))
        toy.pass_time(4_000)
        assert toy.said(c.Play)[-1].cached == "filler.slow"
        toy.feed(e.TransferState(transfer.turn, transfer.attempt, "connected"))
        assert toy.finished == "transferred"

    def test_a_transfer_nobody_answers_comes_back(self) -> None:
        toy = call(CallConfig(targets=(Target("office", phrases=("the office",)),)))
        toy.voice("can I speak to the office please")
        toy.pass_time(3_000)
        assert toy.of(c.Transfer)[0].target == "office"
        toy.pass_time(31_000)
        assert "transfer.failed" in [play.cached for play in toy.said(c.Play)]
        assert not toy.finished

    def test_a_person_is_always_reached(self) -> None:
        toy = call()
        toy.voice("I want to speak to a real person.")
        toy.pass_time(500)
        assert toy.said(c.Play)[-1].cached == "transfer"
        assert not toy.of(c.Generate)
        toy.pass_time(3_000)
        toy.feed(e.TransferState(1, toy.of(c.Transfer)[0].attempt, "failed"))
        assert toy.said(c.Play)[-1].cached == "transfer.failed"

    def test_the_zero_key_interrupts_everything_and_other_keys_nothing(self) -> None:
        toy = answered(call(CallConfig(targets=(Target("desk"),))))
        toy.pass_time(500)
        assert not toy.feed(e.Dtmf("5"))
        made = toy.feed(e.Dtmf("0"))
        assert kinds(made)[0] == "Stop"
        assert not toy.feed(e.Dtmf("0"))
        toy.voice("hello hello", ms=300)
        toy.pass_time(3_000)
        assert toy.of(c.Transfer)[0].target == "desk"
        assert not toy.feed(e.Dtmf("0"))

    def test_the_zero_key_works_when_nobody_speaks(self) -> None:
        toy = call()
        assert toy.feed(e.Dtmf("0"))[0].cached == "transfer"

    def test_what_is_said_while_the_other_side_rings_starts_nothing(self) -> None:
        toy = call()
        toy.feed(e.Dtmf("0"))
        toy.pass_time(3_000)
        toy.voice("can I speak to a person?")
        assert len(toy.said(c.Transfer)) == 1
        assert not toy.said(c.TurnEnded)

    def test_an_emergency_does_not_wait(self) -> None:
        toy = call(CallConfig(emergency=Emergency(("can't breathe",), "ambulance")))
        toy.voice("my husband can't breathe and", final=False)
        assert toy.said(c.Play)[-1].cached == "emergency"
        toy.pass_time(4_000)
        assert toy.of(c.Transfer)[0].target == "ambulance"

    def test_an_emergency_interrupts_the_agent(self) -> None:
        toy = answered(
            call(CallConfig(emergency=Emergency(("gas leak",), "office"), speculation=Speculation(enabled=False)))
        )
        toy.pass_time(500)
        toy.voice("there is a gas leak")
        assert toy.said(c.Play)[-1].cached == "emergency"

    def test_what_was_heard_before_an_emergency_stays_in_history(self) -> None:
        toy = answered(call(CallConfig(emergency=Emergency(("gas leak",), "office"))))
        toy.pass_time(350)
        toy.feed(e.Heard("interim", "there is a gas leak here", toy.position, toy.position))
        toy.pass_time(100)
        assert toy.said(c.Play)[-1].cached == "emergency"
        heard_of_it = heard(toy)[-1]
        assert heard_of_it[0] == "interrupted" and heard_of_it[1]

    def test_words_of_a_decided_turn_are_not_said_again_by_an_emergency(self) -> None:
        toy = call(CallConfig(emergency=Emergency(("gas leak",), "office")))
        toy.voice("what are your opening hours?", final=False)
        toy.pass_time(300)
        toy.generate("We open at nine. ")
        toy.synthesise()
        toy.pass_time(1_500)
        toy.feed(e.Heard("interim", "what are your opening hours? there is a gas leak", 0, toy.position + 8_000))
        toy.pass_time(100)
        assert [turn.text for turn in toy.said(c.TurnEnded)] == ["what are your opening hours?", "there is a gas leak"]

    def test_a_denied_emergency_is_none(self) -> None:
        toy = call(CallConfig(emergency=Emergency(("gas leak",), "office"), speculation=Speculation(enabled=False)))
        toy.voice("no it's not a gas leak thank you")
        assert toy.of(c.Generate)

    def test_a_silent_caller_is_asked_twice_then_told_goodbye(self) -> None:
        toy = call()
        toy.pass_time(45_000)
        assert [play.cached for play in toy.said(c.Play)] == ["greeting", "reprompt.1", "reprompt.2", "goodbye.silent"]
        assert toy.finished == "silent_caller"

    def test_a_television_is_a_silent_caller_too(self) -> None:
        toy = call()
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.pass_time(9_000)
        assert toy.said(c.Play)[-1].cached == "reprompt.1"

    def test_the_longest_call_ends_politely(self) -> None:
        toy = answered(call(CallConfig(max_call=5_000, speculation=Speculation(enabled=False))))
        toy.pass_time(12_000)
        assert toy.finished == "max_call_length"
        assert "limit" in [play.cached for play in toy.said(c.Play)]

    def test_credit_is_renewed_in_time_and_its_end_is_said(self) -> None:
        toy = call(CallConfig(lease=Lease(60, 20)))
        toy.pass_time(100)
        first = toy.of(c.RenewLease)[0]
        toy.open.pop(first.attempt)
        toy.feed(e.LeaseGranted(first.attempt, 25))
        answered(toy)
        toy.pass_time(6_000)
        second = toy.of(c.RenewLease)[-1]
        toy.feed(e.LeaseRefused(second.attempt))
        toy.pass_time(8_000)
        assert toy.finished == "no_credit"

    def test_an_announcement_is_said_and_then_the_call_ends(self) -> None:
        toy = call(CallConfig(announcement="closed", clips={"closed": "We are closed today."}))
        toy.pass_time(8_000)
        assert [play.cached for play in toy.said(c.Play)] == ["closed"]
        assert toy.finished == "announced"

    def test_hanging_up_is_absorbing(self) -> None:
        toy = answered(call(TOOLS))
        toy.feed(e.HungUp("caller_hung_up"))
        assert toy.finished == "caller_hung_up"
        assert toy.call.ended
        assert toy.call.phase == "ended"
        assert toy.call.next_deadline() is None
        assert not toy.feed(e.Dtmf("0"))
        assert not toy.feed(e.ToolEnded(0, 99, "ok"))

    def test_hanging_up_cancels_reading_but_not_booking(self) -> None:
        toy = call(TOOLS)
        toy.voice("book it for monday, yes please")
        toy.generate("Sure. ", tools=(("a", "book", "{}"), ("b", "look", "{}")), end=False)
        toy.pass_time(400)
        booking = next(run for run in toy.of(c.RunTool) if run.side_effects)
        toy.feed(e.HungUp("caller_hung_up"))
        assert list(toy.open) == [booking.attempt] or booking.attempt in toy.open
        toy.feed(e.ToolEnded(booking.turn, booking.attempt, "ok"))

    def test_hanging_up_during_a_transfer_cancels_it(self) -> None:
        toy = call()
        toy.feed(e.Dtmf("0"))
        toy.pass_time(3_000)
        assert "Cancel" in kinds(toy.feed(e.HungUp("caller_hung_up")))

    def test_a_limit_that_falls_into_a_transfer_cancels_it(self) -> None:
        toy = call(CallConfig(max_call=20_000))
        toy.feed(e.Dtmf("0"))
        toy.pass_time(3_000)
        (transfer,) = toy.of(c.Transfer)
        while toy.said(c.Play)[-1].cached != "limit":
            toy.pass_time(500)
        assert toy.said(c.Cancel)[-1].attempt == transfer.attempt
        assert not toy.of(c.Transfer)
