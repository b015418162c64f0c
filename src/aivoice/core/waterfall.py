"""Where a turn's milliseconds went. The stages are a partition: their sum is the mouth-to-ear by construction."""

from __future__ import annotations

from dataclasses import dataclass, field

from aivoice.core import commands as c

# In the order in which they follow each other when nothing is speculated. A mark that lies before the last (because
# the work was done ahead of time) gives a stage of 0.
STAGES = ("vad", "transcript", "endpointing", "context", "first_token", "clause", "tts", "playout")


@dataclass(slots=True)
class Marks:
    """Times in µs: end of speech, then the end of each stage as far as it is known."""

    turn: int
    end_of_speech: int
    at: dict[str, int] = field(default_factory=dict[str, int])
    speculated: bool = False

    def mark(self, stage: str, now: int) -> None:
        """Stage ended; the first time counts."""
        self.at.setdefault(stage, now)


def waterfall(marks: Marks, first_sound: int, answer: int, saved: int = 0) -> c.Waterfall:
    """The partition of [end of speech, answer]. first_sound: µs of the first agent sound, perhaps a filler's. saved:
    µs by which a guess made the answer sooner."""
    stages: list[tuple[str, int]] = []
    last = marks.end_of_speech
    for stage in STAGES[:-1]:
        until = min(max(marks.at.get(stage, last), last), answer)
        stages.append((stage, until - last))
        last = until
    stages.append((STAGES[-1], answer - last))
    return c.Waterfall(
        turn=marks.turn,
        stages=tuple(stages),
        mouth_to_ear=first_sound - marks.end_of_speech,
        answer=answer - marks.end_of_speech,
        speculative=marks.speculated,
        saved=saved,
    )
