"""What `embedded_turns` counts in the calls it held, and the section it writes. Computed from times alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.testing.goals import Goal, at_most
from benchmarks import report
from benchmarks.turn_cases import OVER, PAUSED, PIECEWISE

if TYPE_CHECKING:
    from benchmarks.embedded_turns import Said

FRAME_S = 0.02


def quantile(values: Sequence[float], share: float) -> float | None:
    """Nearest rank, None for nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else None


def percent(hits: int, of: int) -> float | None:
    return round(100 * hits / of, 1) if of else None


def kind_of(why: str) -> str:
    """How finished the words sounded to the core, or that it did not wait for them."""
    return why.split()[0] if " text, " in why else "no final in time" if "final" in why else "other"


def _row(said: Said) -> dict[str, Any]:
    """One case, in numbers (and the words that were decided on)."""
    first, last = said.voice
    case = said.case
    row: dict[str, Any] = {
        "kind": case.kind,
        "name": case.name,
        "held_out": case.held_out,
        "tts": case.spoken_by_tts,
        "asked": case.asked,
        "pauses": case.pauses,
    }
    if case.kind in OVER:
        return row | _contest(said, first, last)
    ends = [(at, item) for at, item in said.items if isinstance(item, c.TurnEnded) and at > first]
    row["inside"] = [item.why for at, item in ends if at < last]
    row["audible_inside"] = any(first + 0.2 < at < last for at in said.loud)
    after = [(at, item) for at, item in ends if at >= last]
    if after:
        at, item = after[0]
        row |= {"decided_ms": round(1_000 * (at - last)), "by": kind_of(item.why), "text": item.text, "why": item.why}
    sound = next((at for at in said.loud if at > last), None)
    row["sound_ms"] = None if sound is None else round(1_000 * (sound - last))
    voice = [item.at / 1e6 for _, item in said.items if isinstance(item, e.SpeechEnded) and item.at / 1e6 > last - 0.3]
    row["vad_end_ms"] = round(1_000 * (voice[0] - last)) if voice else None
    return row


def _contest(said: Said, first: float, last: float) -> dict[str, Any]:
    """Over the agent: whether its reply was broken off, and for how long it was not heard."""
    held_at = words_at = decided_at = None
    for at, item in said.items:
        match item:
            case c.Hold() if held_at is None:
                held_at = at
            case e.Heard() if held_at is not None and item.text and words_at is None:
                words_at = at
            case c.Stop() | c.Resume() if held_at is not None and decided_at is None:
                decided_at = at
            case _:
                pass
    ended = next((item.outcome for _, item in said.items if isinstance(item, c.ReplyEnded)), "none")
    yielded = ended == "interrupted"
    sounds = [at for at in said.loud if at > first - 0.2]
    gaps = [after - before - FRAME_S for before, after in pairwise(sounds)]
    heard = next((item.text for _, item in said.items if isinstance(item, e.Heard) and item.kind == "final"), "")
    return {
        "yielded": yielded,
        "noticed": held_at is not None,
        "quiet_ms": None if held_at is None else round(1_000 * (held_at - first)),
        "hole_ms": None if yielded or not gaps else round(1_000 * max(0.0, *gaps)) if len(gaps) > 1 else None,
        "decided_ms": None if not (decided_at and words_at) else max(0, round(1_000 * (decided_at - words_at))),
        "yield_ms": round(1_000 * (decided_at - first)) if yielded and decided_at is not None else None,
        "text": heard,
    }


def figures_of(said: Sequence[Said]) -> dict[str, Any]:
    """All figures, and a row a case."""
    rows = [_row(one) for one in said]
    figures: dict[str, Any] = {"pauses": {}, "finished": {}, "over": {}}
    groups: tuple[tuple[str, Callable[[dict[str, Any]], bool]], ...] = (
        ("pause found in the recording", lambda row: row["kind"] == "natural"),
        ("recording cut at its quietest place", lambda row: row["kind"] == "cut"),
        ("both", lambda row: row["kind"] in PAUSED),
        ("both, held out", lambda row: row["kind"] in PAUSED and row["held_out"]),
        ("phone number of recorded digits", lambda row: row["kind"] == "digits"),
        ("e-mail address (embedded voice)", lambda row: row["kind"] == "email"),
        ("both of these", lambda row: row["kind"] in PIECEWISE),
    )
    for name, chosen in groups:
        some = [row for row in rows if chosen(row)]
        figures["pauses"][name] = {
            "utterances": len(some),
            "inside": percent(sum(bool(row["inside"]) for row in some), len(some)),
            "audible": percent(sum(row["audible_inside"] for row in some), len(some)),
            "by": dict(Counter(kind_of(why) for row in some for why in row["inside"])),
        }
    whole = [row for row in rows if row["kind"] == "finished" and row.get("by")]
    for name in ("all", "held out", *sorted({row["by"] for row in whole})):
        some = [row for row in whole if name in ("all", row["by"]) or (name == "held out" and row["held_out"])]
        decided, sound = [row["decided_ms"] for row in some], [row["sound_ms"] for row in some if row["sound_ms"]]
        figures["finished"][name] = {
            "utterances": len(some),
            "decided": [quantile(decided, share) for share in (0.5, 0.95)],
            "sound": [quantile(sound, share) for share in (0.5, 0.95)],
        }
    figures["unanswered"] = sum(1 for row in rows if row["kind"] == "finished" and not row.get("by"))
    for name, kind, tts in (
        ("mm-hm (of a recorded m)", "backchannel", False),
        ("yeah, okay, I see … (embedded voice)", "backchannel", True),
        ("recorded sentences", "interruption", False),
        ("wait, stop; sorry … (embedded voice)", "interruption", True),
    ):
        some = [row for row in rows if row["kind"] == kind and row["tts"] == tts]
        holes = [row["hole_ms"] for row in some if row["hole_ms"] is not None and row["noticed"]]
        figures["over"][name] = {
            "times": len(some),
            "noticed": percent(sum(row["noticed"] for row in some), len(some)),
            "carried on": percent(sum(not row["yielded"] for row in some), len(some)),
            "yielded": percent(sum(row["yielded"] for row in some), len(some)),
            "hole": [quantile(holes, share) for share in (0.5, 0.95)],
            "decided": [
                quantile([row["decided_ms"] for row in some if row["decided_ms"] is not None], share)
                for share in (0.5, 0.95)
            ],
            "yield": [
                quantile([row["yield_ms"] for row in some if row["yield_ms"] is not None], share)
                for share in (0.5, 0.95)
            ],
        }
    return figures | {"rows": rows}


def _pair(values: Sequence[float | None]) -> str:
    return " / ".join(report.cell(value) for value in values)


def goals_of(figures: dict[str, Any]) -> list[Goal]:
    """What is asked of pauses; the rest is reported."""
    every, pieces = figures["pauses"]["both"], figures["pauses"]["both of these"]
    return [
        at_most("turn ended inside a recorded pause", every["inside"], 5, "%", also=f" of {every['utterances']}"),
        at_most(
            "… while numbers and addresses are given", pieces["inside"], 1, "%", also=f" of {pieces['utterances']}"
        ),
    ]


def markdown(figures: dict[str, Any], asked: Sequence[Goal], command: str) -> str:
    """The section of docs/benchmarks.md."""
    pauses = [
        (name, f["utterances"], f["inside"], f["audible"], ", ".join(f"{k} {n}" for k, n in f["by"].items()) or "–")
        for name, f in figures["pauses"].items()
    ]
    finished = [
        (name, f["utterances"], _pair(f["decided"]), _pair(f["sound"])) for name, f in figures["finished"].items()
    ]
    over = [
        (
            name, f["times"], f["noticed"], f["carried on"], f["yielded"], _pair(f["hole"]), _pair(f["decided"]),
            _pair(f["yield"]),
        )
        for name, f in figures["over"].items()
    ]  # fmt: skip
    waits = ", ".join(f"{name} {ms}" for name, ms in figures["endpointing"].items())
    return "\n\n".join(
        (
            "## Turns by the embedded ears",
            report.taken(command),
            f"Recorded human speech at telephone bandwidth (`benchmarks/human_speech.py`), Silero, Whisper and the "
            f"call engine in real time, {figures['callers']} callers at a time ({figures['seconds']} s, load "
            f"{figures['load']}, frames late p99 {figures['frames_late_p99_ms']:g} ms). The agent's mind and voice "
            f"are fakes: {figures['voice_ms']} ms from a turn to its sound. Waits in ms: {waits}.",
            report.goals_table(asked),
            "Pauses of 0.3–1.2 s inside an utterance. Inside: the turn was decided before the last voiced sample.",
            report.table(("pause", "utterances", "ended inside %", "agent audible inside %", "decided by"), pauses),
            f"Finished utterances, ms from the last voiced sample, p50 / p95 ({figures['unanswered']} not understood):",
            report.table(("decided by", "utterances", "decided", "first sound of the agent"), finished),
            "Said over the agent. Hole: the agent's longest silence where it went on. Decided: from the first words; "
            'yields: from the onset; ms p50 / p95. The recordings hold no "mm-hm" and hardly an "okay".',
            report.table(
                ("what", "times", "noticed %", "agent carries on %", "agent yields %", "hole", "decided", "yields"),
                over,
            ),
        )
    )
