"""The call, move by move, as a newcomer would try it."""

from __future__ import annotations

import pytest
from tests.unit.core.playing import Toy

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.call import Call
from aivoice.core.config import CallConfig, Emergency, Lease, Speculation, Target
from aivoice.core.prompt import Passage, ToolSpec

BOOK = ToolSpec("book", "Book a visit", {"type": "object"}, side_effects=True, time_limit_ms=3_000)
LOOK = ToolSpec("look", "Look up free times", {"type": "object"}, side_effects=False)
PLAIN = CallConfig(speculation=Speculation(enabled=False))
TOOLS = CallConfig(speculation=Speculation(enabled=False), tools=(BOOK, LOOK))


def call(config: CallConfig = PLAIN) -> Toy:
    toy = Toy(config)
    toy.start()
    return toy


def heard(toy: Toy) -> list[tuple[str, str]]:
    return [(reply.outcome, reply.heard) for reply in toy.said(c.ReplyEnded)]


def kinds(commands: list[c.Command]) -> list[str]:
    return [type(command).__name__ for command in commands]


def answered(
    toy: Toy, question: str = "what are your opening hours?", reply: str = "We open at nine. We close at five."
) -> Toy:
    toy.voice(question)
    toy.generate(*[word + " " for word in reply.split()])
    toy.synthesise()
    return toy


class TestGreeting:
    def test_starts_once_media_flows_and_is_history(self) -> None:
        toy = call()
        assert heard(toy) == [("finished", toy.config.clip_text("greeting"))]
        toy.voice("what are your opening hours?")
        request = toy.of(c.Generate)[0].request
        assert [message.role for message in request.messages] == ["assistant", "user"]

    def test_a_second_media_up_is_ignored(self) -> None:
        toy = call()
        assert kinds(toy.feed(e.MediaUp())) == ["Note"]


class TestTurn:
    def test_a_question_is_answered_in_clauses_and_the_waterfall_adds_up(self) -> None:
        toy = answered(call())
        toy.pass_time(5_000)
        assert heard(toy)[-1] == ("finished", "We open at nine. We close at five.")
        fall = toy.said(c.Waterfall)[-1]
        assert sum(us for _, us in fall.stages) == fall.answer == fall.mouth_to_ear

    def test_a_dangling_sentence_waits_and_a_pause_joins(self) -> None:
        toy = call()
        toy.voice("I'd like to book a cleaning for")
        assert not toy.of(c.Generate)
        toy.pass_time(400)
        toy.voice("next tuesday please thank you")
        assert [turn.text for turn in toy.said(c.TurnEnded)] == [
            "I'd like to book a cleaning for next tuesday please thank you"
        ]

    def test_words_that_never_become_final_are_taken_as_they_are(self) -> None:
        toy = call()
        toy.voice("what are your opening hours?", final=False)
        toy.pass_time(1_200)
        assert toy.said(c.TurnEnded)[-1].why == "no final came in time"

    @pytest.mark.parametrize("later", ["what are your opening hours?", "", "what are your opening hours on monday?"])
    def test_a_late_final_changes_the_turn_only_if_it_says_something_else(self, later: str) -> None:
        toy = call()
        toy.voice("what are your opening hours?", final=False)
        toy.pass_time(1_200)
        made = toy.feed(e.Heard("final", later, 0, toy.position))
        changed = "monday" in later
        assert ("TurnReopened" in kinds(made)) == changed
        assert [turn.text for turn in toy.said(c.TurnEnded)][-1] == (later or "what are your opening hours?")

    def test_a_late_final_after_the_answer_began_corrects_history_only(self) -> None:
        toy = call()
        toy.voice("what are your opening hours?", final=False)
        toy.pass_time(1_100)
        toy.generate("We open at nine. ")
        toy.synthesise()
        toy.pass_time(500)
        made = toy.feed(e.Heard("final", "what are your opening hours on monday?", 0, toy.position))
        assert kinds(made) == ["Note"]
        toy.pass_time(3_000)
        toy.voice("thank you very much")
        texts = [message.text for message in toy.of(c.Generate)[-1].request.messages]
        assert "what are your opening hours on monday?" in texts

    @pytest.mark.parametrize("died", [False, True])
    def test_a_final_that_never_came_is_not_taken_from_other_words(self, died: bool) -> None:
        toy = call()
        toy.voice("what are your opening hours?", final=False)
        toy.pass_time(1_200)
        if died:
            toy.feed(e.HearingFailed("provider_failed"))
        toy.generate("We open at nine. ")
        toy.synthesise()
        toy.pass_time(900)
        start = 0 if died else toy.position  # another recogniser counts as it likes
        toy.pass_time(300)
        toy.feed(e.Heard("final", "wait, not today please.", start, toy.position))
        toy.pass_time(500)
        assert [turn.text for turn in toy.said(c.TurnEnded)] == [
            "what are your opening hours?", "wait, not today please."
        ]  # fmt: skip

    def test_what_a_turn_was_decided_on_is_not_heard_again(self) -> None:
        toy = call()
        toy.voice("what are your opening hours?", final=False)
        end = toy.position - 150 * 16
        toy.pass_time(1_200)
        assert not toy.feed(e.Heard("interim", "what are your opening hours?", 0, end))
        made = toy.feed(e.Heard("interim", "what are your opening hours? on monday", 0, toy.position))
        assert "TurnReopened" in kinds(made)
        toy.feed(e.Heard("final", "what are your opening hours on monday?", 0, toy.position))
        toy.pass_time(500)
        assert toy.said(c.TurnEnded)[-1].text == "what are your opening hours on monday?"

    def test_words_older_than_the_end_of_speech_wait_for_their_final(self) -> None:
        toy = call()
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("interim", "what are your", 0, toy.position))
        toy.pass_time(800)
        toy.feed(e.SpeechEnded(toy.position, toy.now * 1_000))
        end = toy.position
        toy.pass_time(1_500)
        assert toy.said(c.Play)[-1].cached == "filler"
        assert not toy.said(c.TurnEnded)
        toy.pass_time(1_000)
        toy.feed(e.Heard("final", "what are your opening hours?", 0, end))
        toy.pass_time(1_000)
        assert [turn.text for turn in toy.said(c.TurnEnded)] == ["what are your opening hours?"]

    def test_finals_of_parts_of_a_decided_turn_are_not_new_words(self) -> None:
        toy = call()
        toy.voice("and", final=False)
        toy.voice("what are your opening hours?", final=False)
        toy.pass_time(1_200)
        assert not toy.feed(e.Heard("final", "and", 0, toy.position - 40_000))
        assert toy.said(c.TurnEnded)[-1].text == "what are your opening hours?"

    def test_voice_the_vad_missed_is_still_a_turn(self) -> None:
        toy = call()
        toy.feed(e.Heard("interim", "what are your opening hours?", 0, toy.position))
        assert not toy.said(c.TurnEnded)
        toy.pass_time(1_300)
        assert toy.said(c.TurnEnded)

    def test_words_that_stand_still_under_a_television_become_a_turn(self) -> None:
        toy = call()
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("interim", "what are your opening hours?", 0, toy.position))
        toy.pass_time(2_600)
        assert toy.said(c.TurnEnded)[-1].why == "voices go on, the words do not"

    def test_a_cough_is_forgotten_and_a_mumble_is_asked_about(self) -> None:
        toy = call()
        toy.voice("", ms=300)
        toy.pass_time(1_500)
        assert len(toy.said(c.Play)) == 1
        toy.voice("", ms=1_200)
        assert toy.said(c.Play)[-1].cached == "apology.hearing"

    def test_the_end_of_turn_score_lengthens_a_wait(self) -> None:
        toy = call()
        toy.voice("what are your opening hours?", final=False)
        toy.feed(e.TurnScored(1, 99, 0.1))
        toy.feed(e.Heard("final", "what are your opening hours?", 0, toy.position))
        assert not toy.said(c.TurnEnded)
        toy.pass_time(500)
        assert toy.said(c.TurnEnded)

    def test_a_number_being_read_is_not_cut_off_but_kept_company(self) -> None:
        toy = call()
        toy.voice("my number is five five five one")
        toy.pass_time(1_400)
        assert toy.said(c.Play)[-1].cached == "continuer"
        assert not toy.said(c.TurnEnded)
        toy.voice("two three four five six seven")
        toy.pass_time(600)
        assert len(toy.said(c.TurnEnded)) == 1


class TestSpeculation:
    def test_the_reply_is_made_before_the_turn_is_decided_and_released_at_once(self) -> None:
        toy = call(CallConfig())
        toy.voice("what are your opening hours?", final=False)
        toy.generate("We open at nine, Monday to Friday. ", end=False)
        toy.synthesise()
        assert not [play for play in toy.said(c.Play) if not play.cached]
        made = toy.feed(e.Heard("final", "What are your opening hours?", 0, toy.position))
        assert kinds(made)[:2] == ["TurnEnded", "Play"]
        assert len(toy.said(c.Generate)) == 1

    def test_other_words_throw_it_away(self) -> None:
        toy = call(CallConfig())
        toy.voice("what are your opening hours?", final=False)
        toy.generate("We open at nine. ", end=False)
        made = toy.feed(e.Heard("final", "what are your opening hours on sunday?", 0, toy.position))
        assert "Cancel" in kinds(made)
        assert toy.said(c.ReplyEnded)[-1].outcome == "discarded"
        assert len(toy.said(c.Generate)) == 2
        assert not toy.said(c.Stop)

    def test_eager_ends_trigger_it_and_resumption_does_not_undo_the_wait(self) -> None:
        toy = call(CallConfig())
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("eager", "what are your opening hours?", 0, toy.position))
        assert toy.said(c.Generate)[-1].speculative
        toy.feed(e.Heard("resumed", "", 0, toy.position))
        toy.feed(e.Heard("interim", "what are your opening hours on", 0, toy.position))
        assert toy.said(c.ReplyEnded)[-1].outcome == "discarded"

    def test_a_guess_is_not_made_again_beyond_the_limit(self) -> None:
        toy = call(CallConfig(speculation=Speculation(limit=1)))
        toy.voice("what are your opening hours?", final=False)
        toy.feed(e.Heard("interim", "what are your opening hours then?", 0, toy.position))
        assert len(toy.said(c.Generate)) == 1

    def test_guesses_while_the_caller_speaks_leave_one_for_the_end(self) -> None:
        toy = call(CallConfig(speculation=Speculation(eager_interims=True, limit=3)))
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        for text in ("what are", "what are your", "what are your opening", "what are your opening hours"):
            toy.pass_time(100)
            toy.feed(e.Heard("interim", text, 0, toy.position))
        assert len(toy.said(c.Generate)) == 2
        toy.feed(e.SpeechEnded(toy.position, toy.now * 1_000))
        toy.pass_time(250)
        assert len(toy.said(c.Generate)) == 3

    def test_spelling_ends_a_guess_with_company(self) -> None:
        toy = call(CallConfig(speculation=Speculation(eager_interims=True)))
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("interim", "my number is five five five one", 0, toy.position))
        assert toy.of(c.Generate)
        toy.feed(e.SpeechEnded(toy.position, toy.now * 1_000))
        toy.pass_time(1_400)
        assert toy.said(c.Play)[-1].cached == "continuer"
        assert toy.said(c.ReplyEnded)[-1].why == "the caller is spelling"


class TestBargeIn:
    def test_words_stop_the_agent_and_history_is_cut_at_the_word(self) -> None:
        toy = answered(call())
        toy.pass_time(600)
        made = toy.voice("wait, not today.", ms=500)
        assert kinds(made)[:2] == ["Hold", "Stop"]
        outcome, said = heard(toy)[-1]
        assert (outcome, said) == ("interrupted", "We open at")
        toy.pass_time(500)
        messages = toy.of(c.Generate)[-1].request.messages
        assert messages[-2].text.endswith("[interrupted while saying: We open at…]")

    def test_a_listening_noise_lets_it_carry_on_from_the_word(self) -> None:
        toy = answered(call())
        toy.pass_time(600)
        made = toy.voice("mm-hm", ms=300)
        made += toy.pass_time(400)
        assert kinds([x for x in made if not isinstance(x, c.Note)])[:2] == ["Hold", "Resume"]
        toy.pass_time(5_000)
        assert heard(toy)[-1] == ("finished", "We open at nine. We close at five.")
        assert not toy.said(c.Stop)

    def test_a_cough_lets_it_carry_on(self) -> None:
        toy = answered(call())
        toy.pass_time(600)
        made = toy.voice("", ms=300)
        assert kinds([x for x in made if not isinstance(x, c.Note)]) == ["Hold", "Resume"]

    def test_a_cough_without_any_final_carries_on_by_itself(self) -> None:
        toy = answered(call())
        toy.pass_time(600)
        made = toy.voice("", ms=300, final=False) + toy.pass_time(500)
        assert "Resume" in kinds(made)

    def test_a_listening_noise_that_goes_on_is_an_interruption(self) -> None:
        toy = answered(call())
        toy.pass_time(600)
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("interim", "yeah", 0, toy.position))
        made = toy.pass_time(400)
        assert "Stop" in kinds(made)

    def test_voices_without_words_are_noise(self) -> None:
        toy = answered(call())
        toy.pass_time(600)
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        assert "Resume" in kinds(toy.pass_time(2_600))

    def test_our_own_echo_is_no_interruption(self) -> None:
        toy = answered(call())
        toy.pass_time(900)
        made = toy.voice("we open at", ms=400)
        assert "Stop" not in kinds(made)
        assert "Resume" in kinds(made)

    def test_a_lone_word_of_ours_waits_for_more(self) -> None:
        toy = answered(call())
        toy.pass_time(900)
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("interim", "open", 0, toy.position))
        made = toy.pass_time(400)
        assert "Resume" in kinds(made)
        toy.pass_time(4_000)
        toy.feed(e.SpeechEnded(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("final", "close at five", 0, toy.position))
        toy.pass_time(2_000)
        assert len(toy.said(c.TurnEnded)) == 1

    def test_words_after_we_carried_on_still_count(self) -> None:
        toy = answered(call())
        toy.pass_time(600)
        toy.voice("", ms=300, final=False)
        toy.pass_time(500)
        made = toy.feed(e.Heard("final", "wait stop", 0, toy.position))
        assert kinds(made)[:2] == ["Hold", "Stop"]

    def test_a_late_listening_noise_is_ignored(self) -> None:
        toy = answered(call())
        toy.pass_time(600)
        assert kinds(toy.feed(e.Heard("final", "mm-hm", 0, toy.position))) == ["Note"]

    def test_yes_is_an_answer_when_the_agent_has_just_asked(self) -> None:
        toy = answered(call(), reply="Shall I book it?")
        toy.pass_time(900)
        assert "Stop" in kinds(toy.voice("yes", ms=300))

    def test_yes_after_the_question_while_the_next_sentence_begins(self) -> None:
        toy = answered(call(), reply="Shall I book it now? I can also call you back later today.")
        toy.pass_time(1_600)
        assert "Stop" in kinds(toy.voice("yes", ms=300))

    def test_going_on_before_hearing_anything_reopens_the_turn(self) -> None:
        toy = call()
        toy.voice("what are your opening hours?")
        toy.generate("We open at nine. ", end=False)
        made = toy.voice("on saturday I mean thank you")
        assert "TurnReopened" in kinds(made)
        assert toy.said(c.TurnEnded)[-1].text == "what are your opening hours? on saturday I mean thank you"
        assert toy.said(c.TurnEnded)[-1].turn == 1
        texts = [message.text for message in toy.of(c.Generate)[-1].request.messages]
        assert texts[1:] == ["what are your opening hours? on saturday I mean thank you"]

    def test_a_cough_before_the_reply_sounds_only_holds_it_back(self) -> None:
        toy = call()
        toy.voice("what are your opening hours?")
        toy.generate("We open at nine. ")
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.synthesise()
        toy.pass_time(100)
        toy.feed(e.SpeechEnded(toy.position, toy.now * 1_000))
        made = toy.feed(e.Heard("final", "", 0, toy.position)) + toy.pass_time(2_000)
        assert kinds([x for x in made if not isinstance(x, c.Note)])[0] == "Resume"
        assert heard(toy)[-1] == ("finished", "We open at nine.")

    def test_interrupting_the_greeting_keeps_what_was_heard(self) -> None:
        toy = Toy(PLAIN)
        toy.feed(e.Answered("", "UTC"))
        toy.feed(e.MediaUp())
        toy.pass_time(700)
        toy.voice("are you open today?")
        assert heard(toy)[0][0] == "interrupted"

    def test_an_unheard_notice_leaves_nothing(self) -> None:
        toy = Toy(PLAIN)
        toy.feed(e.Answered("", "UTC"))
        toy.feed(e.MediaUp())
        toy.voice("are you open today?", ms=60)
        assert heard(toy)[0] == ("discarded", "")
        assert toy.of(c.Generate)[0].request.messages[0].role == "user"


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


class TestNeverDeadAir:
    def test_a_slow_model_is_bridged_within_the_budget(self) -> None:
        toy = call()
        ended = toy.now + 600
        toy.voice("what are your opening hours?")
        toy.pass_time(8_000)
        fillers = [
            (now, play.cached) for now, play in toy.log if isinstance(play, c.Play) and play.cached.startswith("filler")
        ]
        assert fillers[0][1] == "filler"
        assert fillers[0][0] - ended <= 1_500
        assert fillers[1][1] == "filler.slow"
        toy.generate("We open at nine. ")
        toy.synthesise()
        toy.pass_time(3_000)
        fall = toy.said(c.Waterfall)[-1]
        assert fall.mouth_to_ear < fall.answer == sum(us for _, us in fall.stages)

    def test_a_failed_answer_is_apologised_for_then_handed_over_then_ended(self) -> None:
        toy = call(CallConfig(targets=(Target("desk"),), speculation=Speculation(enabled=False)))
        for expected in ("apology", "apology", "transfer"):
            toy.voice("what are your opening hours?")
            toy.generate(failed="provider_failed")
            assert toy.said(c.Play)[-1].cached == expected
            toy.pass_time(5_000)
        toy.feed(e.TransferState(3, toy.of(c.Transfer)[0].attempt, "failed"))
        toy.pass_time(9_000)
        toy.voice("what are your opening hours?")
        toy.generate(failed="provider_failed")
        assert toy.said(c.Play)[-1].cached == "apology.goodbye"
        toy.pass_time(9_000)
        assert toy.finished == "failures"

    def test_of_a_voice_that_breaks_off_only_what_sounded_is_history(self) -> None:
        toy = call()
        toy.voice("what are your opening hours?")
        toy.generate("We open at nine. ")
        clip = toy.of(c.Speak)[0].attempt
        toy.open.pop(clip)
        toy.clips[clip].text = "We open"
        toy.feed(e.ClipReady(1, clip, 8_000, (0, 4_000, 8_000, 12_000), "provider_failed"))
        toy.pass_time(1_000)
        assert heard(toy)[-1] == ("finished", "We open")

    def test_speech_that_cannot_be_made_counts_as_a_failed_answer(self) -> None:
        toy = call()
        toy.voice("what are your opening hours?")
        toy.generate("We open at nine. ")
        toy.synthesise(failed="provider_failed")
        toy.pass_time(200)
        assert toy.said(c.Play)[-1].cached == "apology"

    def test_a_recogniser_that_died_is_reopened_at_once(self) -> None:
        toy = call()
        assert kinds(toy.feed(e.HearingFailed("provider_failed"))) == ["Listen"]

    def test_words_lost_with_it_are_asked_for_again(self) -> None:
        toy = call()
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.pass_time(900)
        toy.feed(e.SpeechEnded(toy.position, toy.now * 1_000))
        made = toy.feed(e.HearingFailed("provider_failed"))
        assert kinds(made) == ["Listen", "Play"]
        assert made[1].cached == "apology.hearing"

    def test_a_caller_is_not_talked_over_by_that_question(self) -> None:
        toy = call()
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("interim", "I would like to book", 0, toy.position))
        assert kinds(toy.feed(e.HearingFailed("provider_failed"))) == ["Listen"]
        assert not toy.said(c.Play)[1:]
        toy.pass_time(700)
        made = toy.feed(e.SpeechEnded(toy.position, toy.now * 1_000))
        assert [each.cached for each in made if isinstance(each, c.Play)] == ["apology.hearing"]
        assert not toy.said(c.TurnEnded)

    def test_a_recogniser_that_keeps_dying_ends_the_call_politely(self) -> None:
        toy = call()
        opened = 0
        while not toy.finished and toy.now < 120_000:
            if len(toy.said(c.Listen)) > opened:
                opened = len(toy.said(c.Listen))
                toy.feed(e.HearingFailed("provider_failed"))
            toy.pass_time(200)
        assert toy.finished == "failures"

    def test_a_line_that_goes_deaf_while_we_speak_is_reopened_meanwhile(self) -> None:
        toy = answered(call())
        assert kinds(toy.feed(e.HearingFailed("provider_failed"))) == ["Listen"]
        toy.pass_time(3_000)
        assert heard(toy)[-1][0] == "finished"


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
        toy = call()
        toy.feed(e.StateReady(0, 1, (("name", "Ana"), ("gone", ""))))
        toy.feed(e.SummaryReady(0, 1, "They asked for prices."))
        toy.feed(e.Usage(0, 1, 1, 1))
        toy.feed(e.ProviderAttempt("llm", "x", "started"))
        toy.voice("what are your opening hours?")
        assert toy.of(c.Generate)[0].request.state == "name: Ana"


class TestStreamedSpeech:
    CONFIG = CallConfig(tts_streams_text=True, speculation=Speculation(enabled=False))

    def test_words_are_pushed_as_they_come_and_sentences_are_clips(self) -> None:
        toy = call(self.CONFIG)
        toy.voice("what are your opening hours?")
        toy.generate("We ", "open ", "at nine.", " And", " close at five.", " ")
        speaks = [(speak.text, speak.final) for speak in toy.said(c.Speak)]
        assert speaks[0] == ("We ", False)
        assert sum(final for _, final in speaks) == 2
        toy.synthesise()
        toy.pass_time(4_000)
        assert " ".join(heard(toy)[-1][1].split()) == "We open at nine. And close at five."

    def test_nothing_but_space_is_no_speech(self) -> None:
        toy = call(self.CONFIG)
        toy.voice("what are your opening hours?")
        toy.generate(" ")
        assert not toy.said(c.Speak)
        assert toy.said(c.Play)[-1].cached == "apology"

    def test_a_guess_speaks_only_its_first_sentence(self) -> None:
        toy = call(CallConfig(tts_streams_text=True))
        toy.voice("what are your opening hours?", final=False)
        toy.generate("One. ", "Two. ", "Three. ")
        assert len({speak.attempt for speak in toy.said(c.Speak)}) == 1
        toy.feed(e.Heard("final", "what are your opening hours?", 0, toy.position))
        assert len({speak.attempt for speak in toy.said(c.Speak)}) == 3


def test_stale_results_are_noted_and_change_nothing() -> None:
    toy = call()
    for event in (
        e.Token(9, 900, "x"),
        e.GenerationEnded(9, 900),
        e.ClipAudio(9, 900, 1),
        e.ClipReady(9, 900, 1),
        e.PlayoutStarted(9, 900),
        e.PlayoutFinished(9, 900),
        e.TransferState(9, 900, "connected"),
        e.LeaseGranted(900, 1),
        e.LeaseRefused(900),
        e.MediaStalled(0),
        e.LegState("x", "joined"),
        e.ParticipantRole("x", "human"),
    ):
        assert kinds(toy.feed(event)) == ["Note"]
    assert toy.call.phase == "listening"


def test_clips_that_cannot_be_spoken_never_hold_the_line() -> None:
    call_ = Call(CallConfig(max_call=1_000))
    call_.handle(e.Answered("", "UTC"), 0)
    call_.handle(e.MediaUp(), 0)
    call_.handle(e.ClipAudio(0, 1, 10), 5)
    call_.handle(e.ClipReady(0, 1, 0, (), "no_audio"), 10)
    assert call_.phase == "listening"
    call_.handle(e.Tick(), 1_000_000)
    assert call_.next_deadline() == 16_000_000
    call_.handle(e.Tick(), 16_000_000)
    assert call_.ended
