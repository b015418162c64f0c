"""Turns `Speak` commands into clip audio: one synthesiser stream a clip, its text normalised for speech first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.engine.attempts import report_attempts
from aivoice.engine.clips import ClipBuffer, Speakable
from aivoice.engine.saying import Saying
from aivoice.engine.scope import Scope
from aivoice.errors import ProviderError
from aivoice.providers.ports import SpeechAudio, SpeechMark, SpeechStream, TextToSpeech


@dataclass(slots=True, eq=False)
class _Job:
    buffer: ClipBuffer
    text: Saying
    pieces: list[str] = field(default_factory=list[str])
    final: bool = False
    stream: SpeechStream | None = None


class Speaking:
    """Owns the clips of one call that are being synthesised.

    feed: takes ClipAudio, ClipReady and ProviderAttempt events. arrived: told of more audio, for playout.
    """

    def __init__(
        self,
        tts: TextToSpeech,
        voice: str,
        speakable: Speakable,
        scope: Scope,
        feed: Callable[[e.Event], None],
        arrived: Callable[[ClipBuffer], None],
    ) -> None:
        self._tts, self._voice, self._speakable = tts, voice, speakable
        self._scope, self._feed, self._arrived = scope, feed, arrived
        self._jobs: dict[int, _Job] = {}

    def speak(self, command: c.Speak, buffer: ClipBuffer) -> None:
        """Start the clip, or give it more text."""
        job = self._jobs.get(command.attempt)
        if job is None:
            job = self._jobs[command.attempt] = _Job(buffer, Saying(self._speakable))
            self._scope.spawn(command.attempt, self._run(command.turn, command.attempt, job))
        buffer.source += command.text
        job.final = job.final or command.final
        text = job.text.push(command.text, command.final)
        if job.stream is None:
            job.pieces.append(text)
            return
        if text:
            job.stream.push(text)
        if command.final:
            job.stream.finish()

    def cancel(self, attempt: int) -> None:
        """The clip is not wanted any more; what has arrived stays."""
        self._jobs.pop(attempt, None)
        self._scope.cancel(attempt)

    async def _run(self, turn: int, attempt: int, job: _Job) -> None:
        """Stream one clip. Its end, good or bad, is one ClipReady, unless it was cancelled."""
        report_attempts(self._feed, turn=turn, attempt=attempt)
        failed = ""
        try:
            job.stream = await self._tts.open(voice=self._voice)
            try:
                await self._stream(turn, attempt, job, job.stream)
            finally:
                await job.stream.aclose()
        except asyncio.CancelledError:
            raise
        except ProviderError as error:
            failed = error.code
        except Exception as error:  # noqa: BLE001 - a provider's bug must not end the call
            failed = type(error).__name__
        if self._jobs.pop(attempt, None) is None:
            return
        job.buffer.complete, job.buffer.broken = True, bool(failed)
        if not job.buffer.samples and not failed:
            failed = "no_audio"
        self._feed(e.ClipReady(turn, attempt, job.buffer.samples, job.buffer.word_starts(), failed))
        self._arrived(job.buffer)

    async def _stream(self, turn: int, attempt: int, job: _Job, stream: SpeechStream) -> None:
        for piece in job.pieces:
            if piece:
                stream.push(piece)
        job.pieces.clear()
        if job.final:
            stream.finish()
        buffer = job.buffer
        async for item in stream:
            match item:
                case SpeechAudio(samples, pcm):
                    first = not buffer.samples and samples > 0
                    buffer.add(samples, pcm)
                    if first:
                        self._feed(e.ClipAudio(turn, attempt, samples))
                    self._arrived(buffer)
                case SpeechMark(word, sample):
                    buffer.marks.setdefault(word, sample)
