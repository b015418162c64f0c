"""The one GPU: a thread that the model lives on, and a task that gives it one step after the other.

The event loop never waits for the model. A request is admitted only if it, and everybody admitted before, will be
heard in time; else it is refused at once, so that the caller's voice can come from elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aivoice_chatterbox.metrics import Metrics
from aivoice_chatterbox.model import Model, RefusedClipError, Stretch
from aivoice_chatterbox.schedule import Job, Schedule
from aivoice_chatterbox.speech import Speech, SpeechError
from aivoice_chatterbox.voices import Prepared, Voice, Voices

log = logging.getLogger("aivoice_chatterbox")

_FAILURES = 3
"""Steps that fail one after another before the model counts as lost (a CUDA error leaves nothing usable behind)."""
_ASIDE_S = 2.0
"""Longest that the preparing of a voice waits for callers who hear nothing yet."""
WARM_UP = "Good morning, thank you for calling. How can I help you today?"
_WARM_VOICES = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """max_wait_s: a request that would make anybody wait longer is refused; twice as long for the next clause of a call
    that listens. max_speeches: open at once. max_queued:
    pieces waiting. step_s: a step that takes longer means that the model hangs."""

    max_wait_s: float = 0.7
    max_speeches: int = 256
    max_queued: int = 512
    step_s: float = 60.0


@dataclass(slots=True, eq=False)
class _Aside:
    """Work for the model's thread that is nobody's speech. since: loop time."""

    work: Callable[[], Any]
    done: asyncio.Future[Any]
    since: float


class Gpu:
    """Use: `start`, then `speak` and `prepare` from the event loop; `aclose` at the end. failed: why the model is of no
    use any more, "" while it is; `lost` is set then."""

    def __init__(self, model: Model, voices: Voices, metrics: Metrics, limits: Limits = Limits()) -> None:
        self.model = model
        self.failed = ""
        self.lost = asyncio.Event()
        self._voices, self._metrics, self._limits = voices, metrics, limits
        self._schedule: Schedule[Speech] = Schedule(model.batch)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._prepared = Prepared(model.prepare)
        self._asides: deque[_Aside] = deque()
        self._open: dict[Speech, float] = {}
        self._first: dict[Speech, float] = {}
        self._running: list[Job[Speech]] = []
        self._step_ends = 0.0
        self._failures = 0
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def open(self) -> int:
        """Speeches under way."""
        return len(self._open)

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Load, look at the voices, and speak one sentence with each of them (the first 64; the rest at first use).
        Raises what the model raises."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._load)
        self._task = loop.create_task(self._run(), name="gpu")

    async def aclose(self) -> None:
        """Speeches under way fail. Waits for the step under way, which the model was asked to end."""
        if self._task is not None:
            self._task.cancel()
            self.model.stop()
            await asyncio.wait([self._task])
        for speech in list(self._open):
            speech.fail(SpeechError(503, "stopping", "the server stops"))
        for aside in self._asides:
            aside.done.cancel()
        await asyncio.to_thread(self._thread.shutdown, wait=not self.failed, cancel_futures=True)

    async def idle(self) -> None:
        """Until nothing is open."""
        await self._idle.wait()

    def _load(self) -> None:
        self.model.load()
        self._voices.reload()
        for voice in self._voices.listed()[:_WARM_VOICES]:
            try:
                self._say_alone([self._prepared.get(voice, self._voices.path(voice.id))])
            except RefusedClipError as error:
                log.warning("voice %s is left out: %s", voice.id, error)
                self._voices.leave_out(voice.id)
        if self.model.batch > 1:
            default = self._prepared.get(*self._default())
            self._say_alone([default] * self.model.batch)

    def _default(self) -> tuple[Voice, Path | None]:
        voice = self._voices.listed()[0]
        return voice, self._voices.path(voice.id)

    def _say_alone(self, conditionals: Sequence[Any]) -> None:
        """On the model's thread, before anybody calls: measures how fast it is."""
        utterances = [self.model.begin(WARM_UP, each) for each in conditionals]
        while utterances:
            clock = time.perf_counter()
            made = self.model.step(utterances)
            self._schedule.pace.stepped(time.perf_counter() - clock, [self._seconds(stretch) for stretch in made])
            utterances = [each for each, stretch in zip(utterances, made, strict=True) if not stretch.last]

    # ------------------------------------------------------------ requests

    def speak(self, speech: Speech) -> None:
        """Admit it, or raise SpeechError (503 with a time to come again). Then iterate it, and `leave` it."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self.failed:
            raise SpeechError(503, "model_failed", "the model is not usable; the server restarts", retry_after_s=10)
        schedule, limits = self._schedule, self._limits
        jobs = [
            Job(speech, piece.text, index, 0.2 + len(piece.text) * schedule.pace.per_character)
            for index, piece in enumerate(speech.pieces)
        ]
        late = schedule.lateness(
            speech.call, sum(job.seconds for job in jobs), now, busy_s=max(0.0, self._step_ends - now)
        )
        if len(self._open) >= limits.max_speeches or schedule.queued + len(jobs) > limits.max_queued:
            self._metrics.rejected("queue_full")
            raise SpeechError(503, "at_capacity", "too many requests are waiting", retry_after_s=2)
        # An idle GPU takes whatever comes: nobody could do it sooner.
        # A reply that has begun is worth more than one that has not: its rest would come in another voice.
        limit = limits.max_wait_s * (2 if schedule.listens(speech.call, now) else 1)
        if self._open and late > limit:
            self._metrics.rejected("too_late")
            again = max(1, math.ceil(late - limit))
            raise SpeechError(503, "at_capacity", "callers would wait too long", retry_after_s=again)
        self._open[speech] = now
        self._first[speech] = now
        self._idle.clear()
        schedule.add(speech.call, jobs, now)
        self._gauge()
        self._work.set()

    def leave(self, speech: Speech) -> None:
        """The reader is done with it, or does not want it any more: its places are free at once. Idempotent."""
        if self._open.pop(speech, None) is None:
            return
        complete = speech.over
        speech.over = True
        self._first.pop(speech, None)
        gone = self._schedule.remove(speech.call, speech, asyncio.get_running_loop().time(), heard=complete)
        if not complete:
            self._metrics.cancelled()
        if self._running and all(job.speech.over for job in self._running) and gone:
            self.model.stop()
        if not self._open:
            self._idle.set()
        self._gauge()

    def read(self) -> None:
        """A reader took audio: one that was behind may be worked on again."""
        self._work.set()

    async def prepare(self, clip: Path) -> Any:
        """Conditionals of a clip, between the steps of those who speak. Raises RefusedClipError."""
        return await self._aside(partial(self.model.prepare, clip))

    async def keep(self, voice: Voice, conditionals: Any) -> None:
        """The next speech of that voice need not prepare it."""
        await self._aside(partial(self._prepared.keep, voice, conditionals))

    async def _aside(self, work: Callable[[], Any]) -> Any:
        if self.failed or self._task is None:
            raise SpeechError(503, "model_failed", "the model is not usable", retry_after_s=10)
        loop = asyncio.get_running_loop()
        aside = _Aside(work, loop.create_future(), loop.time())
        self._asides.append(aside)
        self._work.set()
        return await aside.done

    # ------------------------------------------------------------ the model's turns

    async def _run(self) -> None:
        while not self.failed:
            self._work.clear()
            now = asyncio.get_running_loop().time()
            jobs = self._schedule.pick(now, _keeps_up)
            if self._asides and (not jobs or now - self._asides[0].since > _ASIDE_S):
                await self._do(self._asides.popleft())
            elif jobs:
                await self._step(jobs)
            else:
                await self._work.wait()

    async def _do(self, aside: _Aside) -> None:
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._thread, aside.work)
        except Exception as error:  # noqa: BLE001 - told to whoever asked
            if not aside.done.done():
                aside.done.set_exception(error)
            return
        if not aside.done.done():
            aside.done.set_result(result)

    async def _step(self, jobs: list[Job[Speech]]) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        pace = self._schedule.pace
        expected = max(min(job.seconds, pace.stretch_s) for job in jobs) * pace.at(len(jobs)) * len(jobs)
        self._running, self._step_ends = jobs, started + expected
        try:
            work = loop.run_in_executor(self._thread, self._on_thread, jobs)
            made = await asyncio.wait_for(asyncio.shield(work), self._limits.step_s)
        except TimeoutError:
            self._lose("a step of the model did not end")
            return
        except Exception as error:  # noqa: BLE001 - whatever a GPU may raise
            self._failed_step(jobs, error)
            return
        finally:
            self._running, self._step_ends = [], 0.0
        self._failures = 0
        now = loop.time()
        audio = [self._seconds(stretch) for stretch in made if isinstance(stretch, Stretch)]
        pace.stepped(now - started, audio)
        self._metrics.stepped(now - started, audio)
        for job, stretch in zip(jobs, made, strict=True):
            self._give(job, stretch, now)
        self._gauge()

    def _on_thread(self, jobs: list[Job[Speech]]) -> list[Stretch | SpeechError]:
        """A job whose voice cannot be had fails alone."""
        out: list[Stretch | SpeechError] = [Stretch(b"", last=False)] * len(jobs)
        able: list[int] = []
        for at, job in enumerate(jobs):
            if job.utterance is None:
                voice = job.speech.voice
                try:
                    conditionals = self._prepared.get(voice, self._voices.path(voice.id))
                except (RefusedClipError, OSError):
                    out[at] = SpeechError(404, "voice_not_found", "the voice's clip is gone or cannot be used")
                    continue
                job.utterance = self.model.begin(job.text, conditionals)
            able.append(at)
        if able:
            for at, stretch in zip(able, self.model.step([jobs[at].utterance for at in able]), strict=True):
                out[at] = stretch
        return out

    def _give(self, job: Job[Speech], stretch: Stretch | SpeechError, now: float) -> None:
        speech = job.speech
        if isinstance(stretch, SpeechError):
            self._schedule.remove(speech.call, speech, now, heard=True)
            speech.fail(stretch)
            return
        seconds = self._seconds(stretch)
        self._schedule.gave(speech.call, job, seconds, last=stretch.last, now=now)
        if seconds and speech in self._first:
            self._metrics.first_audio(now - self._first.pop(speech))
        speech.give(job.index, stretch.pcm, last=stretch.last)

    def _failed_step(self, jobs: list[Job[Speech]], error: Exception) -> None:
        self._failures += 1
        self._metrics.failed()
        log.error("a step of the model failed (%s), %d in a row", type(error).__name__, self._failures)
        now = asyncio.get_running_loop().time()
        for job in jobs:
            self._schedule.remove(job.speech.call, job.speech, now, heard=True)
            job.speech.fail(SpeechError(500, "model_failed", "the model failed at this text"))
        if self._failures >= _FAILURES:
            self._lose("the model failed three times in a row")

    def _lose(self, why: str) -> None:
        log.critical("%s: the server ends, so that whoever watches it starts it anew", why)
        self.failed = why
        for speech in list(self._open):
            speech.fail(SpeechError(503, "model_failed", "the model is not usable; the server restarts"))
        for aside in self._asides:
            if not aside.done.done():
                aside.done.set_exception(SpeechError(503, "model_failed", "the model is not usable"))
        self._asides.clear()
        self.lost.set()

    def _seconds(self, stretch: Stretch) -> float:
        return len(stretch.pcm) / 2 / self.model.sample_rate

    def _gauge(self) -> None:
        self._metrics.waiting(len(self._open), self._schedule.queued)


def _keeps_up(speech: Speech) -> bool:
    return speech.ready
