"""The embedded models on real human telephone speech: word errors, repetitions, voice activity, latency under load.

    python -m benchmarks.embedded_models [wer] [repeats] [vad] [load] [noise] [--calls N] [--seconds S] [--json FILE]

Without names, all parts. Prints one line a figure. The speech is fetched once (see `human_speech`); where that is not
possible the parts that need it are skipped with a line that says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE, SILENCE, AudioChunk
from aivoice.providers.embedded import jobs
from aivoice.providers.embedded.bundle import EmbeddedSet
from aivoice.providers.inference import Priority
from aivoice.providers.ports import SpeechAudio, Transcript, VadEvent
from benchmarks.human_speech import RATE, Clip, clips, fetch, voiced_range, word_errors, words

Figures = dict[str, Any]
REPLIES = (
    "Sure, I can help you with that.",
    "We are open until six this evening.",
    "A check up costs forty five pounds.",
    "What day would suit you best?",
)


def quantile(values: Sequence[float], share: float) -> float:
    """Nearest rank; nan for nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else float("nan")


async def word_error_rate(models: EmbeddedSet, speech: Sequence[Clip]) -> Figures:
    """Both recognisers on every second clip of at least three words."""
    chosen = [clip for clip in speech if len(words(clip.text)) >= 3 and clip.held_out]
    figures: Figures = {"clips": len(chosen), "seconds": round(sum(clip.seconds for clip in chosen))}
    for job in (jobs.FINAL, jobs.FINAL_TINY):
        wrong = total = 0
        took: list[float] = []
        for clip in chosen:
            ticket = models.inference.submit(job, {}, clip.pcm, priority=Priority.FINAL)
            (reply,) = await ticket.all()
            reference = words(clip.text)
            wrong += word_errors(reference, words(str(reply.meta["text"])))
            total += len(reference)
            took.append(ticket.run_ms)
        figures[job] = {"wer": round(100 * wrong / total, 1), "ms_p50": round(statistics.median(took))}
    return figures


async def repetitions(models: EmbeddedSet, speech: Sequence[Clip]) -> Figures:
    """Short clips said once, twice and three times: how often the number of times was got right. Tuned and held out."""
    short = [clip for clip in speech if clip.seconds < 1.8 and 1 <= len(words(clip.text)) <= 3]
    figures: Figures = {}
    for held_out in (False, True):
        chosen = [clip for clip in short if clip.held_out is held_out][:60]
        for times in (1, 2, 3):
            for job in (jobs.FINAL, jobs.FINAL_TINY):
                right = judged = 0
                for clip in chosen:
                    pcm = (clip.pcm + bytes(2 * 1600)) * times
                    replies = await models.inference.submit(job, {}, pcm, priority=Priority.FINAL).all()
                    said, unit = words(str(replies[0].meta["text"])), words(clip.text)
                    if said[: len(unit)] != unit:
                        continue  # another word was understood: nothing to count
                    judged += 1
                    right += len(said) == times * len(unit)
                kind = "held out" if held_out else "tuned on"
                figures[f"{job} said {times}x, {kind}"] = f"{right}/{judged}"
    return figures


async def voice_activity(models: EmbeddedSet, speech: Sequence[Clip]) -> Figures:
    """Where starts and ends are found, how late they are told, and what a window costs at several batch sizes."""
    figures: Figures = {}
    chosen = [clip for clip in speech if clip.held_out and clip.seconds > 1.0][:80]
    for vad in (models.vad, models.vad_fallback):
        onset: list[float] = []
        offset: list[float] = []
        splits = missed = 0
        for clip in chosen:
            first, last = voiced_range(clip.pcm)
            events: list[VadEvent] = []
            stream = vad.open(events.append)
            pcm = bytes(FRAME_BYTES * 25) + clip.pcm + bytes(FRAME_BYTES * 40)
            for frame in frames_of(pcm):
                stream.push(frame)
                await asyncio.sleep(0)
            for _ in range(3_000):
                await asyncio.sleep(0.001)
                if events and events[-1].kind == "end" and events[-1].position > 25 * FRAME_SAMPLES + last - 4_000:
                    break
            await stream.aclose()
            lead = 25 * FRAME_SAMPLES
            starts = [event.position for event in events if event.kind == "start"]
            ends = [event.position for event in events if event.kind == "end"]
            if not starts or not ends:
                missed += 1
                continue
            splits += len(starts) - 1
            onset.append((starts[0] - lead - first) / 16)
            offset.append((ends[-1] - lead - last) / 16)
        figures[vad.name] = {
            "clips": len(chosen),
            "missed": missed,
            "start error ms p10/p50/p90": [round(quantile(onset, q)) for q in (0.1, 0.5, 0.9)],
            "end error ms p10/p50/p90": [round(quantile(offset, q)) for q in (0.1, 0.5, 0.9)],
            "pauses found inside clips": splits,
        }
    figures["silero ms a window by batch"] = _batch_cost(models)
    return figures


def _batch_cost(models: EmbeddedSet) -> dict[int, float]:
    vad = models.vad
    cost: dict[int, float] = {}
    noise = np.random.default_rng(0).normal(size=512) * 3_000
    for size in (1, 8, 16, 50):
        streams = [vad.open(lambda _: None) for _ in range(size)]
        best = float("inf")
        for _ in range(30):
            batch = []
            for stream in streams:
                stream.push(AudioChunk(stream.number, 512, noise.astype("<i2").tobytes()))
                window = stream.take()
                assert window is not None
                batch.append(window)
            started = time.perf_counter()
            vad._run(batch)  # the batch itself, without the thread around it
            best = min(best, time.perf_counter() - started)
            for stream in streams:
                stream._busy = False
        for stream in streams:
            vad.forget(stream)
        cost[size] = round(best * 1e3 / size, 3)
    return cost


async def noise(models: EmbeddedSet) -> Figures:
    """What is understood where nothing is said: words in noise, tones, bursts. Should be none."""
    rng = np.random.default_rng(1)
    kinds = {
        "white noise": lambda n: rng.normal(size=n) * rng.uniform(0.001, 0.1),
        "burst": lambda n: rng.normal(size=n) * 0.4 * np.exp(-np.arange(n) / rng.uniform(800, 4_000)),
        "tone": lambda n: np.sin(np.arange(n) * rng.uniform(0.05, 0.5)) * 0.2,
        "hum": lambda n: np.sin(np.arange(n) * 0.02) * 0.1 + rng.normal(size=n) * 0.01,
    }
    figures: Figures = {}
    for name, make in kinds.items():
        for job in (jobs.FINAL, jobs.FINAL_TINY):
            with_words = 0
            for _ in range(10):
                samples = np.clip(make(int(rng.uniform(0.3, 2.5) * RATE)), -1, 1)
                pcm = (samples * 32767).astype("<i2").tobytes()
                (reply,) = await models.inference.submit(job, {}, pcm, priority=Priority.FINAL).all()
                with_words += bool(words(str(reply.meta["text"])))
            figures[f"{name}, {job}"] = f"words in {with_words}/10"
    return figures


def frames_of(pcm: bytes, position: int = 0) -> list[AudioChunk]:
    """Whole 20 ms frames."""
    return [
        AudioChunk(position + at // 2, FRAME_SAMPLES, pcm[at : at + FRAME_BYTES])
        for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)
    ]


class Caller:
    """One caller in real time: says a clip, hears a reply of two clauses, pauses, says the next."""

    def __init__(self, models: EmbeddedSet, speech: Sequence[Clip], seed: int) -> None:
        self._models, self._speech, self._random = models, speech, random.Random(seed)
        self._position = 0
        self._final: asyncio.Event = asyncio.Event()
        self._finals: list[Transcript] = []
        self.interims: list[float] = []
        self.to_final: list[float] = []
        self.to_audio: list[float] = []
        self.late_frames = 0
        self.wrong = self.words = 0

    async def live(self, seconds: float) -> None:
        """Call for so long."""
        self._loop = asyncio.get_running_loop()
        self._origin = self._loop.time() + self._random.uniform(0, 3)
        self._stt = await self._models.stt.open()
        self._vad = self._models.vad.open(self._on_vad)
        self._ended_at = 0
        self._speaking = False
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._read())
            await self._quiet(0.5)
            while self._position / SAMPLE_RATE < seconds:
                await self._turn()
            await self._vad.aclose()
            await self._stt.aclose()
            await reader

    async def _turn(self) -> None:
        clip = self._random.choice(self._speech)
        self._finals.clear()
        started = self._position
        await self._send(clip.pcm)
        end = started + voiced_range(clip.pcm)[1]
        end_time = self._origin + end / SAMPLE_RATE
        for _ in range(100):  # the caller waits in silence; the line goes on sending
            if (
                self._ended_at > end - 4_000
                and not self._speaking
                and self._finals
                and self._finals[-1].end > end - 6_000
            ):
                break
            await self._send(SILENCE)
        else:
            return  # nothing was heard of it: the WER shows, the latency cannot
        self.to_final.append((self._final_time - end_time) * 1e3)
        said = words(" ".join(final.text for final in self._finals))
        self.wrong += word_errors(words(clip.text), said)
        self.words += len(words(clip.text))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reply(end_time))
            await self._quiet(self._random.uniform(2.5, 4.0))

    async def _reply(self, end_time: float) -> None:
        await self._models.embedder.embed([self._finals[-1].text])
        for number in range(2):
            stream = await self._models.tts.open()
            stream.push(self._random.choice(REPLIES))
            stream.finish()
            first = True
            async for event in stream:
                if isinstance(event, SpeechAudio) and first and number == 0:
                    self.to_audio.append((self._loop.time() - end_time) * 1e3)
                    first = False
            await stream.aclose()

    async def _quiet(self, seconds: float) -> None:
        await self._send(bytes(FRAME_BYTES * int(seconds * 50)))

    async def _send(self, pcm: bytes) -> None:
        for frame in frames_of(pcm, self._position):
            due = self._origin + frame.end / SAMPLE_RATE
            wait = due - self._loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            self.late_frames += self._loop.time() - due > 0.015
            self._stt.push(frame)
            self._vad.push(frame)
            self._position = frame.end

    def _on_vad(self, event: VadEvent) -> None:
        if event.kind == "start":
            self._speaking = True
            self._started_at = event.position
            self._stt.speech_started(event.position)
        elif event.kind == "end":
            self._speaking = False
            self._ended_at = event.position
            self._stt.speech_ended(event.position)

    async def _read(self) -> None:
        async for transcript in self._stt:
            now = self._loop.time()
            if transcript.kind == "final":
                self._final_time = now
                self._finals.append(transcript)
            else:
                self.interims.append((now - self._origin - transcript.end / SAMPLE_RATE) * 1e3)


async def load(models: EmbeddedSet, speech: Sequence[Clip], calls: int, seconds: float) -> Figures:
    """End of speech → final → first audio of the reply, with so many callers at a time."""
    chosen = [clip for clip in speech if 1.2 < clip.seconds < 7 and len(words(clip.text)) >= 3]
    callers = [Caller(models, chosen, seed) for seed in range(calls)]
    cpu, inference, wall = time.process_time(), _cpu_s(models.inference.process_id), time.monotonic()
    async with asyncio.TaskGroup() as group:
        for caller in callers:
            group.create_task(caller.live(seconds))
    wall = time.monotonic() - wall
    merged = {name: [v for c in callers for v in getattr(c, name)] for name in ("to_final", "to_audio", "interims")}
    return {
        "calls": calls,
        "turns": len(merged["to_audio"]),
        "end of speech to final ms p50/p95": [round(quantile(merged["to_final"], q)) for q in (0.5, 0.95)],
        "end of speech to first audio ms p50/p95": [round(quantile(merged["to_audio"], q)) for q in (0.5, 0.95)],
        "interims": len(merged["interims"]),
        "interim age ms p50/p95": [round(quantile(merged["interims"], q)) for q in (0.5, 0.95)],
        "wer": round(100 * sum(c.wrong for c in callers) / max(1, sum(c.words for c in callers)), 1),
        "frames late by over 15 ms": sum(c.late_frames for c in callers),
        "call process CPU s a call-minute": round((time.process_time() - cpu) / (calls * wall / 60), 3),
        "inference cores": round((_cpu_s(models.inference.process_id) - inference) / wall, 2),
        "machine's load while it ran": round(os.getloadavg()[0], 1),
    }


def _cpu_s(process: int | None) -> float:
    """CPU seconds of a process so far; 0 where /proc does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def run(parts: Sequence[str], calls: Sequence[int], seconds: float) -> Figures:
    """The chosen parts, in order."""
    root, why = await asyncio.to_thread(fetch)
    if root is None:
        print(f"skipped: {why}")
    speech = clips(root) if root is not None else []
    figures: Figures = {}
    started = time.monotonic()
    async with EmbeddedSet.start(progress=print) as models:
        figures["start s"] = round(time.monotonic() - started, 1)
        for part in parts:
            if part == "noise":
                figures[part] = await noise(models)
            elif not speech:
                continue
            elif part == "wer":
                figures[part] = await word_error_rate(models, speech)
            elif part == "repeats":
                figures[part] = await repetitions(models, speech)
            elif part == "vad":
                figures[part] = await voice_activity(models, speech)
            elif part == "load":
                figures[part] = [await load(models, speech, count, seconds) for count in calls]
            print(part, json.dumps(figures[part], indent=1), flush=True)
    return figures


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["wer", "repeats", "vad", "noise", "load"])
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", default="")
    options = parser.parse_args()
    figures = asyncio.run(run(options.parts, options.calls, options.seconds))
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
