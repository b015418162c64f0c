"""What real sockets cost: the same calls with the same stage latencies, in this process and over adapters.

`python -m benchmarks sockets`: for each number of calls at once, both variants in turn, mouth to ear of each turn that
is answered at once (the first and the last). Deepgram, Claude and Cartesia, each with its protocol, on loopback; the
stand-ins run in a process of their own. The voice of the variant without sockets takes whole clauses, as the plugin
does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from aivoice.providers.claude import Claude
from aivoice.providers.deepgram import DeepgramNova, NovaOptions
from aivoice.providers.livekit import plugins
from aivoice.testing.standins.server import StandIn
from aivoice.testing.truth import SpokenWord, Truth
from benchmarks.faults import matrix
from benchmarks.faults.booking import NAME
from benchmarks.faults.matrix import Case, Outcome, run_all
from benchmarks.faults.services import SERVICES, Running, Service, World

GOAL_FEW_MS, GOAL_FIFTY_MS = 30.0, 60.0


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def turns_ms(outcomes: Sequence[Outcome]) -> list[float]:
    """Mouth to ear, ms, of the turns without a tool."""
    return [each.first * 1_000 for outcome in outcomes for each in outcome.heard.silences if each.said != NAME]


class ToldTruth(Truth):
    """A truth that the stand-ins' process is told as well, before the words sound."""

    def __init__(self, http: aiohttp.ClientSession, url: str, tag: str) -> None:
        super().__init__()
        self._http, self._url, self._tag = http, url, tag
        self._telling: set[asyncio.Task[None]] = set()

    def add(self, *words: SpokenWord) -> None:
        super().add(*words)
        task = asyncio.get_running_loop().create_task(self._tell([[w.start, w.end, w.text] for w in words]))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, words: list[list[object]]) -> None:
        async with self._http.post(self._url, json={"tag": self._tag, "words": words}):
            pass


class _Elsewhere(StandIn):
    """Not ours to start or end."""

    async def __aexit__(self, *_: object) -> None:
        return None


@contextmanager
def elsewhere() -> Iterator[None]:
    """The three services of the comparison are those of another process while the block runs."""
    command = [sys.executable, "-m", "benchmarks.standin_process"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    ports = json.loads(process.stdout.readline())

    async def deepgram(world: World, host: str) -> Running:
        options = NovaOptions(extra={"tag": world.host})
        url = f"ws://127.0.0.1:{ports['deepgram']}"
        return Running(
            "deepgram", host, _Elsewhere(), DeepgramNova(world.http, key="dg-standin", url=url, options=options)
        )

    async def claude(world: World, host: str) -> Running:
        model = shared.setdefault("claude", Claude(key="sk-ant-standin", url=f"http://127.0.0.1:{ports['claude']}"))
        return Running("claude", host, _Elsewhere(), model)

    async def cartesia(world: World, host: str) -> Running:
        url = f"http://127.0.0.1:{ports['cartesia']}"
        voice = plugins.cartesia_tts(world.http, name="cartesia", voice="front-desk", key="voice-standin", url=url)
        return Running("cartesia", host, _Elsewhere(), voice, voice.aclose)

    shared: dict[str, Claude] = {}
    kept = dict(SERVICES)
    truth = matrix.truth_of
    SERVICES.update(
        deepgram=Service("deepgram", "stt", deepgram),
        claude=Service("claude", "llm", claude),
        cartesia=Service("cartesia", "tts", cartesia),
    )
    matrix.truth_of = lambda http, host: ToldTruth(http, f"http://127.0.0.1:{ports['deepgram']}/truth", host)
    try:
        yield
    finally:
        SERVICES.clear()
        SERVICES.update(kept)
        matrix.truth_of = truth
        process.stdin.close()
        process.wait(10)


def measure(at_once: int, rounds: int) -> dict[str, dict[str, float]]:
    """Both variants, in turn; p50, p95, p99 in ms and how many turns."""
    found: dict[str, list[float]] = {"in process": [], "sockets": []}
    for _ in range(rounds):
        for name, case in (("in process", Case(local=True)), ("sockets", Case())):
            with elsewhere():
                found[name] += turns_ms(asyncio.run(run_all([case] * at_once, at_once=at_once)))
    return {
        name: {
            "turns": len(values),
            **{f"p{share}": round(percentile(values, share / 100), 1) for share in (50, 95, 99)},
        }
        for name, values in found.items()
    }


def main(arguments: list[str]) -> int:
    """Status 1 where sockets cost more than asked."""
    parser = argparse.ArgumentParser(prog="benchmarks sockets", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of four calls at once; of fifty one less")
    parser.add_argument("--quick", action="store_true", help="one round of four calls")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--docs", type=Path, help="taken, and left alone: docs/providers.md quotes the figures")
    asked = parser.parse_args(arguments)
    matrix.USUAL["tts"] = "cartesia"  # its clauses stream as the reference's do
    loads = {4: 1} if asked.quick else {4: asked.rounds, 50: max(1, asked.rounds - 1)}
    figures = {str(at_once): measure(at_once, rounds) for at_once, rounds in loads.items()}
    fine = True
    for at_once, both in figures.items():
        for name, values in both.items():
            print(f"{at_once:>3} at once, {name:<10}: {values}")
        share, goal = ("p50", GOAL_FEW_MS) if at_once == "4" else ("p99", GOAL_FIFTY_MS)
        more = both["sockets"][share] - both["in process"][share]
        fine = fine and more <= goal
        print(f"    sockets cost {more:.1f} ms at {share} (at most {goal:.0f})")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0 if fine else 1
