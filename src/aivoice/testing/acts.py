"""What a simulated caller does, as data: behaviours, surroundings, the whole plan of one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aivoice.testing.fake_llm import LlmBehaviour
from aivoice.testing.fake_stt import SttBehaviour
from aivoice.testing.fake_tts import TtsBehaviour
from aivoice.testing.faults import Fault
from aivoice.testing.randomness import Latency

Behaviour = Literal[
    "talk",  # a sentence in one go
    "pause",  # a sentence with a pause of 0.3–1.2 s in it
    "interrupt",  # words over the agent that are meant
    "backchannel",  # "mm-hm", "yeah", "okay" over the agent
    "cough",  # 0.3 s of voice without words over the agent
    "mumble",  # a second of voice without words, instead of an answer
    "silent",  # says nothing for `duration_ms`
    "hang_up",  # leaves in the middle of a word
    "spell",  # an e-mail address, piece by piece
    "number",  # a telephone or card number, group by group
    "resume",  # goes on just after the turn was decided
    "music",  # puts the agent on hold: music for `duration_ms`
    "key",  # presses a key
    "bye",  # says goodbye
]
BEHAVIOURS: tuple[Behaviour, ...] = (
    "talk", "pause", "interrupt", "backchannel", "cough", "mumble", "silent", "hang_up", "spell", "number", "resume",
    "music", "key", "bye",
)  # fmt: skip

Moment = Literal["free", "over", "decided", "then"]
"""free: the agent has answered and is silent; over: the agent is being heard; decided: the turn before was just
decided; then: after the act before."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing the caller does, `delay_ms` after its moment.

    pauses: (after how many words, ms). duration_ms: of acts without words. A music's voice has no words.
    """

    behaviour: Behaviour
    moment: Moment = "free"
    delay_ms: int = 400
    text: str = ""
    pauses: tuple[tuple[int, int], ...] = ()
    duration_ms: int = 0
    digit: str = ""


@dataclass(frozen=True, slots=True)
class Echo:
    """Speakerphone: the agent's own voice comes back `delay_ms` later at `level_db`, through an echo canceller that is
    still learning during the agent's first words and leaks again now and then (`leaks`: chance a clip)."""

    level_db: float
    delay_ms: int
    leaks: float = 0.04


@dataclass(frozen=True, slots=True)
class Chatter:
    """Other voices near the caller, in bursts: a television, or a second person. understood: chance that the recogniser
    makes words of a burst."""

    voice: Literal["television", "talker"]
    every: Latency
    length_words: tuple[int, int]
    understood: float


_STT, _LLM, _TTS = SttBehaviour(), LlmBehaviour(), TtsBehaviour()


@dataclass(frozen=True, slots=True)
class CallPlan:
    """Everything that one simulated call is made of. Two equal plans give equal journals.

    frames: real 20 ms PCM frames instead of spans. chains: every provider is a fallback chain of two.
    """

    index: int
    seed: int
    acts: tuple[Act, ...]
    rate: float = 1.0
    echo: Echo | None = None
    chatter: Chatter | None = None
    faults: tuple[Fault, ...] = ()
    stt: SttBehaviour = _STT
    llm: LlmBehaviour = _LLM
    tts: TtsBehaviour = _TTS
    tool: Latency | None = None
    frames: bool = False
    chains: bool = True
    retrieval: bool = False
    speculation: bool = True
    stalls_ms: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """For messages."""
        return f"call {self.index} of seed {self.seed}"
