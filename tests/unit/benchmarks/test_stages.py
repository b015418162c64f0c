"""The stages that every engine is measured on keep the latencies they promise."""

from __future__ import annotations

import random

import pytest
from benchmarks import stages
from benchmarks.stages import Heard, RecogniserModel, Replies, Utterance, VoiceActivityModel, plain
from benchmarks.utterances import make_utterance
from hypothesis import given
from hypothesis import strategies as st

PAUSES = (300, 1_200)
KINDS = ("clean", "paused", "paused_inside", "paused_complete", "revised", "spelled", "backchannel", "cough")
utterances = st.builds(
    lambda seed, kind: make_utterance(random.Random(seed), 7, kind, PAUSES),
    st.integers(0, 10_000),
    st.sampled_from(KINDS),
)


def hear(utterance: Utterance) -> list[tuple[int, Heard]]:
    """Hand the utterance in, frame by frame, and collect (ms, transcript)."""
    model = RecogniserModel({utterance.number: utterance})
    out: list[tuple[int, Heard]] = []
    for at in range(0, utterance.length_ms + 1_000, stages.FRAME_MS):
        while (due := model.next_deadline()) is not None and due <= at / 1_000:
            out += [(round(due * 1_000), heard) for heard in model.due(due + 1e-9)]
        model.frame(stages.caller_frame(utterance, at), at / 1_000)
    return out


@given(utterances)
def test_finals_come_300_ms_after_each_stretch_and_hold_every_word_once(utterance: Utterance) -> None:
    finals = [(at, heard.text) for at, heard in hear(utterance) if heard.kind == "final"]
    assert [at for at, _ in finals] == [end - stages.FRAME_MS + 300 for _, end in utterance.spans]
    said = " ".join(text for _, text in finals).split()
    assert [plain(word) for word in said] == [plain(word) for word in utterance.text.split()]
    assert not utterance.words or finals[-1][1].endswith(utterance.mark)


@given(utterances)
def test_interims_never_know_a_word_before_it_was_said_and_150_ms_passed(utterance: Utterance) -> None:
    for at, heard in hear(utterance):
        if heard.kind == "interim" and not heard.full:
            known = [word for word in utterance.words if word.end_ms + 150 <= at]
            assert len(heard.text.split()) <= len(known)


@given(utterances)
def test_one_interim_with_the_full_text_comes_150_ms_after_each_stretch(utterance: Utterance) -> None:
    full = [at for at, heard in hear(utterance) if heard.full]
    assert full == [end - stages.FRAME_MS + 150 for _, end in utterance.spans if utterance.words]


@given(utterances)
def test_a_revised_interim_differs_and_its_final_does_not(utterance: Utterance) -> None:
    heard = hear(utterance)
    shown = [h.text for _, h in heard if h.full]
    if utterance.misheard:
        assert shown[-1] != utterance.text
    elif utterance.words and len(utterance.spans) == 1:
        assert shown[-1] == utterance.text


@given(st.lists(st.booleans(), max_size=200))
def test_voice_activity_starts_at_the_third_voiced_frame_and_ends_at_the_fifth_silent_one(frames: list[bool]) -> None:
    model, voiced, silent, speaking = VoiceActivityModel(), 0, 0, False
    for is_voiced in frames:
        voiced, silent = (voiced + 1, 0) if is_voiced else (voiced, silent + 1)
        change = model.frame(is_voiced)
        if not speaking and is_voiced and voiced >= 3:
            assert change == "start"
            speaking = True
        elif speaking and silent >= 5:
            assert change == "end"
            speaking, voiced = False, 0
        else:
            assert change is None
        if not speaking and not is_voiced:
            voiced = 0


def test_replies_are_functions_of_their_prompt_and_each_word_tells_whose_it_is() -> None:
    replies = Replies(length=12)
    first, second = replies.request("when do you open"), replies.request("when do you close")
    assert first.words == stages.reply_words("when do you open", 12)
    assert first.words != second.words
    assert first.words[stages.FIRST_CLAUSE_WORDS - 1].endswith(".")
    assert [replies.locate(word) for word in second.words] == [(2, index) for index in range(12)]
    assert replies.locate("hello") == (0, 0)


def test_frames_carry_their_tags_and_their_loudness() -> None:
    frame = stages.agent_frame(3, 4, 5)
    assert len(frame) == stages.FRAME_BYTES
    assert stages.read_agent_frame(frame) == (3, 4, 5)
    assert stages.is_loud(frame)
    assert not stages.is_loud(stages.SILENCE)
    assert stages.read_agent_frame(stages.SILENCE) is None
    assert stages.read_caller_frame(frame) is None


@pytest.mark.parametrize("kind", KINDS)
def test_utterances_lie_on_the_frame_grid(kind: stages.UtteranceKind) -> None:
    utterance = make_utterance(random.Random(1), 1, kind, PAUSES)
    assert all(edge % stages.FRAME_MS == 0 for span in utterance.spans for edge in span)
    gaps = [after[0] - before[1] for before, after in zip(utterance.spans, utterance.spans[1:], strict=False)]
    assert all(PAUSES[0] <= gap <= PAUSES[1] for gap in gaps)
