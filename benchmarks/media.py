"""`python -m benchmarks.media`: the media path's own figures. A bad network, the cost of a leg, echo, loudness.

``--quick``: shorter runs. ``--docs FILE``: rewrites the section of the media path there. Prints JSON with ``--json``.
Exit status 1 when a figure misses its goal; the run says when the machine was too busy to be believed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aivoice.audio.echo import EchoCanceller
from aivoice.audio.frames import AudioChunk
from aivoice.audio.loudness import loudness
from aivoice.audio.pacer import LatenessStats, Pacer
from aivoice.testing.goals import Goal, all_met, at_least, at_most, goals_table, taken, write_section
from aivoice.testing.udp_relay import Impairment
from aivoice.testing.webrtc_probe import BAD, LOCAL, babble, measure
from aivoice.transports.webrtc import WebRtcTransport, answer, offer, take_answer
from benchmarks import report
from benchmarks.host import rss_bytes

VOICES = ("heart", "low", "high")
SENTENCES = (
    "Thank you for calling Northside Dental, how can I help you today?",
    "We are open from eight until half past five.",
    "A check-up costs sixty-five pounds.",
    "No problem.",
    "Which day would suit you best, Wednesday or Friday?",
)


class Silent:
    """A sink that does nothing, for the cost of a leg alone."""

    def on_media_up(self) -> None: ...

    def on_audio(self, chunk: AudioChunk) -> None: ...

    def on_dtmf(self, digit: str) -> None: ...

    def on_hangup(self, reason: str) -> None: ...


def network(seconds: float) -> tuple[list[dict[str, Any]], list[Goal]]:
    """WebRTC through the relay: 2 % loss, 0–60 ms; and a clean line beside it."""
    runs: list[dict[str, Any]] = []
    for label, seed, impairment in (("bad", 1, BAD), ("bad", 2, BAD), ("clean", 3, Impairment())):
        verdict = asyncio.run(measure(seconds=seconds, seed=seed, impairment=impairment))
        runs.append({"line": label, "seed": seed, **verdict.as_dict()})
    bad = [run for run in runs if run["line"] == "bad"]
    added = max(run["added_p95_ms"] for run in bad)
    concealed = 100 * max(run["concealed"] for run in bad)
    stall = max(run["longest_stall_ms"] for run in bad)
    compared = 100 * min(run["frames"] / (50 * run["seconds"]) for run in bad)
    return runs, [
        at_most("bad network: added delay p95", added, 80, "ms"),
        at_most("bad network: concealed or silent", concealed, 4, "%"),
        at_most("bad network: longest stall (invented, silent, or nothing at all)", stall, 60, "ms"),
        at_least("bad network: frames whose delay is known", compared, 90, "%"),
    ]


async def legs(pairs: int, seconds: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    pacer = Pacer(loop)
    speech = babble(5.0, 1)
    frames = [speech[at : at + 640] for at in range(0, len(speech) - 639, 640)]
    legs: list[WebRtcTransport] = []
    memory = 0
    try:
        for _ in range(pairs + 1):
            # The first pair loads what all share.
            memory = memory or (rss_bytes() if legs else 0)
            text, caller = await offer(pacer=pacer, settings=LOCAL)
            legs.append(caller)
            reply, server = await answer(text, pacer=pacer, settings=LOCAL)
            legs.append(server)
            take_answer(caller, reply)
            for leg in (server, caller):
                await leg.start(Silent())
                pacer.add(_talker(leg, frames))
        await asyncio.sleep(2.0)
        pacer.lateness = LatenessStats()
        cpu, wall = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        share = (time.process_time() - cpu) / (time.monotonic() - wall) / len(legs)
        grown = rss_bytes() - memory
        return {
            "legs": len(legs),
            "core_percent_a_leg": 100 * share,
            "cpu_s_a_call_minute": 60 * share,
            "memory_mb_a_leg": grown / (2 * pairs) / 1e6,
            "lateness_p99_ms": pacer.lateness.percentile_us(0.99) / 1000,
        }
    finally:
        for leg in legs:
            await leg.close("measured")
        pacer.close()


def _talker(leg: WebRtcTransport, frames: list[bytes]) -> Callable[[], None]:
    at = 0

    def tick() -> None:
        nonlocal at
        leg.write(frames[at % len(frames)])
        at += 1

    return tick


def cost(seconds: float) -> tuple[dict[str, float], list[Goal]]:
    """CPU of one leg: Opus both ways, SRTP, ICE, jitter buffer, pacer."""
    figures = asyncio.run(legs(5, seconds))
    percent = figures["core_percent_a_leg"]
    return figures, [at_most("CPU of a WebRTC leg, Opus included", percent, 3, "% of a core")]


def _db(samples: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(samples.astype(float) ** 2) + 1e-9))


def echo() -> tuple[list[dict[str, float]], list[Goal]]:
    """A speakerphone: the agent comes back delayed, attenuated, with a room's tail and a microphone's noise."""
    rows: list[dict[str, float]] = []
    agent = np.frombuffer(babble(10.0, 1), "<i2").astype(float)
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 8, len(agent))
    room = rng.normal(0, 1, 1_600) * np.exp(-np.arange(1_600) / 300.0)
    room[0] = 3.0
    room /= np.sqrt(np.sum(room**2))
    for delay_ms in (40, 120, 200, 300):
        for gain in (-12, -20, -30):
            back = np.convolve(agent, room * 10 ** (gain / 20))[: len(agent)]
            heard = np.concatenate((np.zeros(delay_ms * 16), back))[: len(agent)] + noise
            out = _cancel(agent, heard)
            first, later = slice(16_000, 32_000), slice(48_000, len(out))
            rows.append(
                {
                    "delay_ms": delay_ms,
                    "echo_db": gain,
                    "second_second_db": _db(heard[first]) - _db(out[first]),
                    "after_3_s_db": _db(heard[later]) - _db(out[later]),
                    "left_dbfs": _db(out[later]) - 90.3,
                }
            )
    worst = max(row["left_dbfs"] for row in rows)
    return rows, [at_most("echo left after 3 s", worst, -50, "dBFS")]


def _cancel(agent: np.ndarray, heard: np.ndarray) -> np.ndarray:
    canceller = EchoCanceller()
    far = agent.astype("<i2").tobytes()
    near = np.clip(heard, -32_768, 32_767).astype("<i2").tobytes()
    out: list[bytes] = []
    for at in range(0, len(far) - 639, 640):
        canceller.played(far[at : at + 640])
        out.append(canceller.process(near[at : at + 640]))
    return np.frombuffer(b"".join(out), "<i2")


def levels() -> tuple[list[dict[str, Any]], list[Goal]]:
    """Loudness of the embedded voices, BS.1770, over the same sentences."""
    from aivoice.providers.embedded.hibari_model import HibariModel

    model = HibariModel()
    rows: list[dict[str, Any]] = []
    for voice in VOICES:
        clips = [b"".join(pcm for pcm, _ in model.speak(sentence, voice)) for sentence in SENTENCES]
        each = [loudness(clip) for clip in clips]
        rows.append({"voice": voice, "lufs": loudness(b"".join(clips)), "quietest": min(each), "loudest": max(each)})
    spread = max(row["lufs"] for row in rows) - min(row["lufs"] for row in rows)
    inside = max(row["loudest"] for row in rows) - min(row["quietest"] for row in rows)
    return rows, [
        at_most("loudness between voices", spread, 2, "LU"),
        at_most("loudness between clips of all voices", inside, 2, "LU"),
    ]


def markdown(figures: dict[str, Any], goals: list[Goal], command: str) -> str:
    """The section of docs/benchmarks.md."""
    network_rows = [
        (
            f"{run['line']} (seed {run['seed']})", round(run["added_p50_ms"], 1), round(run["added_p95_ms"], 1),
            f"{run['concealed']:.1%}", f"{run['recovered']:.1%}", round(run["longest_stall_ms"]),
            round(run["longest_gap_ms"]), run["frames"], round(run["loop_late_max_ms"]),
        )
        for run in figures["network"]
    ]  # fmt: skip
    echo_rows = [tuple(round(value) for value in row.values()) for row in figures["echo"]]
    level_rows = [tuple(v if isinstance(v, str) else round(v, 1) for v in row.values()) for row in figures["levels"]]
    leg = figures["cost"]
    network_header = (
        "network", "added p50 ms", "added p95 ms", "concealed or silent", "restored", "longest stall ms",
        "longest gap between frames ms", "frames compared", "loop late at most ms",
    )  # fmt: skip
    return "\n\n".join(
        (
            "## Media path",
            taken(command),
            goals_table(goals),
            "WebRTC through a UDP relay (bad: 2 % independent loss, 0–60 ms uniform delay); the caller talks all the "
            "time. Added: playout − send − least transit, of the frames compared. Stall: the longest stretch without "
            "audio that the caller sent, be it concealed, silent or no frame at all. What "
            "the event loop itself was late is part of the figures.",
            report.table(network_header, network_rows),
            f"One leg (Opus both ways, SRTP, ICE, jitter buffer): {leg['core_percent_a_leg']:.1f} % of a core, "
            f"{leg['cpu_s_a_call_minute']:.2f} CPU-s a call-minute, {leg['memory_mb_a_leg']:.1f} MB; frame lateness "
            f"p99 {leg['lateness_p99_ms']:g} ms.",
            "Echo return loss on a simulated speakerphone:",
            report.table(("delay ms", "echo dB", "2nd second dB", "after 3 s dB", "left dBFS"), echo_rows),
            "Loudness of the embedded voices, LUFS:",
            report.table(("voice", "all", "quietest clip", "loudest clip"), level_rows),
        )
    )


def main(arguments: list[str]) -> int:
    """Exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks media", description="figures of the media path")
    parser.add_argument("--quick", action="store_true", help="shorter runs")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument("--docs", type=Path, help="Markdown file whose section of the media path is rewritten")
    options = parser.parse_args(arguments)
    figures: dict[str, Any] = {}
    goals: list[Goal] = []
    parts: tuple[tuple[str, Callable[[], tuple[Any, list[Goal]]]], ...] = (
        ("network", lambda: network(10.0 if options.quick else 60.0)),
        ("cost", lambda: cost(5.0 if options.quick else 20.0)),
        ("echo", echo),
        ("levels", levels),
    )
    for name, part in parts:
        print(f"media: {name} …", file=sys.stderr)
        figures[name], reached = part()
        goals += reached
    text = markdown(figures, goals, "aivoice bench media --quick" if options.quick else "aivoice bench media")
    print(json.dumps(figures, indent=2) if options.json else text)
    if options.docs is not None:
        write_section(options.docs, "media", text, goals)
    return 0 if all_met(goals) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
