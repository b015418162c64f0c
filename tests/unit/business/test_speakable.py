"""The bridge from text normalisation to the engine's clips."""

from __future__ import annotations

from aivoice.audio.frames import SAMPLE_RATE
from aivoice.business.speakable import speakable
from aivoice.engine.clips import ClipBuffer

SAY = speakable({"Okafor": "oh kah for"})


def test_spoken_words_belong_to_source_words() -> None:
    spoken = SAY("Dr. Okafor charges $85.")
    assert spoken.text == "Doctor oh kah for charges eighty five dollars."
    assert spoken.sources == (0, 1, 1, 1, 2, 3, 3, 3)
    assert len(spoken.weights) == 4
    assert all(weight > 0 for weight in spoken.weights)


def test_unfinished_audio_is_cut_at_the_pace_of_speech() -> None:
    """Two seconds into a long clip without marks, about six words have been said, not none and not all."""
    text = "We are open Monday to Thursday from 8:00 am to 5:00 pm and on Friday until 1:00 pm every week of the year"
    buffer = ClipBuffer(1, 1, SAY, source=text, samples=SAMPLE_RATE // 2)
    starts = buffer.word_starts()
    heard = sum(start < 2 * SAMPLE_RATE for start in starts)
    assert len(starts) == len(text.split())
    assert 4 <= heard <= 9
