"""Who has the floor: barge-in, its undoing, and speech that streams."""

from __future__ import annotations

from tests.unit.core.playing import PLAIN, Toy, answered, call, heard, kinds

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.call import Call
from aivoice.core.config import CallConfig, Speculation


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
