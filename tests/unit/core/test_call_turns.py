"""The caller's turns, move by move, as a newcomer would try them."""

from __future__ import annotations

import pytest
from tests.unit.core.playing import answered, call, heard, kinds

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig, Speculation


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

    def test_a_caller_who_goes_on_after_whole_sentences_is_waited_for_there_too(self) -> None:
        toy = call()
        for times in range(4):
            toy.voice("how much is that?")
            made_at_once = toy.said(c.TurnEnded)[-1].why.startswith("closed text, 0 ms")
            assert made_at_once == (times < 3)
            toy.pass_time(500)
            toy.voice("for two people?")
            toy.pass_time(12_000)
            assert toy.said(c.TurnEnded)[-1].text.endswith("how much is that? for two people?")

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

    def test_a_piece_of_a_number_that_was_not_understood_is_not_asked_about_in_the_middle(self) -> None:
        toy = answered(call(), "i would like to leave a message please", "What is the best phone number to reach you?")
        toy.pass_time(6_000)
        toy.voice("", ms=900)
        assert toy.said(c.Play)[-1].cached != "apology.hearing"
        toy.pass_time(1_300)
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
        toy = call(CallConfig(speculation=Speculation(most="interim", limit=3)))
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        for text in ("what are", "what are your", "what are your opening", "what are your opening hours"):
            toy.pass_time(100)
            toy.feed(e.Heard("interim", text, 0, toy.position))
        assert len(toy.said(c.Generate)) == 2
        toy.feed(e.SpeechEnded(toy.position, toy.now * 1_000))
        toy.pass_time(250)
        assert len(toy.said(c.Generate)) == 3

    def test_spelling_ends_a_guess_with_company(self) -> None:
        toy = call(CallConfig(speculation=Speculation(most="interim")))
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("interim", "my number is five five five one", 0, toy.position))
        assert toy.of(c.Generate)
        toy.feed(e.SpeechEnded(toy.position, toy.now * 1_000))
        toy.pass_time(1_400)
        assert toy.said(c.Play)[-1].cached == "continuer"
        assert toy.said(c.ReplyEnded)[-1].why == "the caller is spelling"
