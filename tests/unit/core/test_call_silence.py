"""Never dead air: silence, failures, a recogniser that dies."""

from __future__ import annotations

from tests.unit.core.playing import answered, call, heard, kinds

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import CallConfig, Speculation, Target


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
        assert toy.said(c.Play)[-1].cached == "technical_difficulty"

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
        assert made[1].cached == "apology.deaf"

    def test_a_caller_is_not_talked_over_by_that_question(self) -> None:
        toy = call()
        toy.feed(e.SpeechStarted(toy.position, toy.now * 1_000))
        toy.feed(e.Heard("interim", "I would like to book", 0, toy.position))
        assert kinds(toy.feed(e.HearingFailed("provider_failed"))) == ["Listen"]
        assert not toy.said(c.Play)[1:]
        toy.pass_time(700)
        made = toy.feed(e.SpeechEnded(toy.position, toy.now * 1_000))
        assert [each.cached for each in made if isinstance(each, c.Play)] == ["apology.deaf"]
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
