"""What is measured: the rows of the table, their plans, and each engine's settings in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.caller import Plan
from benchmarks.streams import FaultKind

EngineName = Literal["ours", "agentsession", "pipecat"]
Kind = Literal["turns", "pauses", "interrupt", "carry_on", "fault", "load"]


@dataclass(frozen=True, slots=True)
class Variant:
    """One engine with one group of settings. `label` tells them in the table."""

    engine: EngineName
    label: str
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Row:
    """One experiment, held with every variant. `kind` chooses the figures. calls: for load rows."""

    key: str
    title: str
    kind: Kind
    plan: Plan
    variants: tuple[Variant, ...]
    calls: int = 0


OURS = Variant("ours", "aivoice", {"speculation": "on"})
OURS_SILERO = Variant("ours", "aivoice with batched Silero", {"speculation": "on", "silero": True})
OURS_PLAIN = Variant("ours", "aivoice", {"speculation": "off"})
SESSION = Variant("agentsession", "AgentSession, best settings", {"mode": "best", "speculation": "off"})
SESSION_EARLY = Variant(
    "agentsession", "AgentSession, best, early transcript", {"mode": "best", "speculation": "early"}
)
SESSION_INTERIMS = Variant(
    "agentsession", "AgentSession, best, raw interims", {"mode": "best", "speculation": "interims"}
)
SESSION_DEFAULT = Variant("agentsession", "AgentSession, defaults", {"mode": "default", "speculation": "off"})
PIPECAT = Variant("pipecat", "pipecat, best settings", {"mode": "best", "speculation": "off"})
PIPECAT_EARLY = Variant("pipecat", "pipecat, best, eager end of turn", {"mode": "best", "speculation": "early"})
PIPECAT_DEFAULT = Variant("pipecat", "pipecat, defaults", {"mode": "default", "speculation": "off"})

FAULTS: tuple[tuple[FaultKind, str], ...] = (
    ("llm_error", "LLM errors"),
    ("llm_hang", "LLM hangs"),
    ("llm_silent", "LLM opens and says nothing"),
    ("tts_error", "TTS fails"),
    ("stt_error", "STT dies"),
    ("all", "all down"),
)
LOADS = (1, 10, 50)
LONG_REPLY = 16
"""Words of a reply that is talked over: 4.8 s."""

_SPECULATING = (OURS, SESSION_EARLY, SESSION_INTERIMS, PIPECAT_EARLY)
_BEST = (OURS, SESSION, PIPECAT)


def turn_rows() -> tuple[Row, ...]:
    """Latency, requests and cut-off turns."""
    plain = (OURS_PLAIN, SESSION, SESSION_DEFAULT, PIPECAT, PIPECAT_DEFAULT)
    whole = Plan(whole_clauses=True)
    return (
        Row("plain", "Mouth-to-ear, no speculation", "turns", Plan(), plain),
        Row("speculating", "Mouth-to-ear, speculation", "turns", Plan(), _SPECULATING),
        Row(
            "disturbed",
            "Mouth-to-ear, speculation; 30 % of utterances pause 300–800 ms or have a revised interim",
            "turns",
            Plan(paused=0.15, revised=0.15),
            _SPECULATING,
        ),
        Row("whole", "Whole-clause voice, no speculation", "turns", whole, (OURS_PLAIN, SESSION, PIPECAT)),
        Row(
            "whole_speculating", "Whole-clause voice, speculation", "turns", whole, (OURS, SESSION_EARLY, PIPECAT_EARLY)
        ),
        Row(
            "pauses",
            "Every utterance pauses 0.3–1.2 s inside a phrase",
            "pauses",
            Plan(paused=1.0, paused_kind="paused_inside", pause_ms=(300, 1200)),
            (OURS, SESSION_EARLY, SESSION_DEFAULT, PIPECAT_EARLY, PIPECAT_DEFAULT),
        ),
        Row(
            "pauses_complete",
            "Every utterance pauses 0.3–1.2 s where its sentence could have ended (if there is such a place)",
            "pauses",
            Plan(paused=1.0, paused_kind="paused_complete", pause_ms=(300, 1200)),
            (OURS, SESSION_DEFAULT, PIPECAT_DEFAULT),
        ),
        Row(
            "spelling",
            "Numbers and e-mail addresses given in pieces, 0.3–1.2 s apart",
            "pauses",
            Plan(spelled=1.0, pause_ms=(300, 1200)),
            (OURS, SESSION_DEFAULT, PIPECAT_DEFAULT),
        ),
    )


def barge_rows() -> tuple[Row, ...]:
    """Talking over the agent."""
    defaults = (SESSION_DEFAULT, PIPECAT_DEFAULT)
    return (
        Row(
            "interrupt", "Real interruption", "interrupt",
            Plan("interrupt", reply_words=LONG_REPLY), (*_BEST, *defaults),
        ),
        Row(
            "cough", "0.3 s cough without words", "carry_on",
            Plan("cough", reply_words=LONG_REPLY), (*_BEST, *defaults),
        ),
        Row(
            "backchannel", "“mm-hm”, “yeah”, “okay”", "carry_on",
            Plan("backchannel", reply_words=LONG_REPLY), (*_BEST, *defaults),
        ),
    )  # fmt: skip


def fault_rows() -> tuple[Row, ...]:
    """One stage fails during the second turn."""
    return tuple(
        Row(f"fault_{kind}", title, "fault", Plan("fault", turns=3, fault=kind), _BEST) for kind, title in FAULTS
    )


def load_rows(loads: tuple[int, ...] = LOADS) -> tuple[Row, ...]:
    """CPU and memory while every call talks."""
    plan = Plan(turns=100_000)
    return tuple(
        Row(f"load_{calls}", f"{calls} calls", "load", plan, (OURS, OURS_SILERO, *_BEST[1:]), calls) for calls in loads
    )
