"""One call: owns its clock, tasks and media, runs the core's commands and feeds the results back as events.

Guarantees
- Every event and command passes the observers (journal, live view) in order, with one monotonic µs clock.
- A provider's failure is an event; it never ends the call by itself.
- `run` returns after the media is closed, every task has ended, and committed side effects have finished within their
  own limits. Cancelling `run` (Ctrl-C) takes the same way, each step bounded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from aivoice.audio.frames import AudioChunk, samples_to_us
from aivoice.audio.pacer import Pacer, PacerHandle
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.call import Call
from aivoice.core.config import CallConfig
from aivoice.engine.attempts import report_attempts
from aivoice.engine.clips import ClipBuffer, Speakable, as_written
from aivoice.engine.operations import Operations, Providers
from aivoice.engine.playout import FramePlayout, Playout, SpanPlayout
from aivoice.engine.ports import ClipStore, Credit, Observer, RecorderSink, Retriever, ToolRunner, TransferDesk
from aivoice.engine.scope import Scope, to_its_end
from aivoice.engine.speaking import Speaking
from aivoice.errors import ProviderError
from aivoice.providers.ports import SttStream, Transcript, VadEvent, VadStream
from aivoice.transports.ports import Transport

__all__ = ["CallEnded", "CallSession", "Providers"]

# Keys of tasks that are no operations; those have positive ids.
_LISTENER, _OLD_VAD, _CLOSING_VAD, _CLOSING_MEDIA = -1, -2, -3, -4
_QUIET_WORDS_S = 0.8
"""Words that come without any voice heard by the VAD end a segment once they have stood still for so long."""
_LAST_FRAMES_S = 0.06
"""What was handed to the transport last still has to leave."""
_CLOSE_STEP_S = 2.0
"""Longest wait for a part that is being closed; after that it is cancelled and left."""
_SHUTDOWN_EFFECTS_S = 1.5
"""When the process is told to stop, side effects get this long; after that their outcome is unknown."""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """reason: why. duration_us: since the call was answered."""

    call_id: str
    reason: str
    duration_us: int


class CallSession:
    """See the module. Create it, then `await run()` once."""

    def __init__(
        self,
        *,
        call_id: str,
        transport: Transport,
        providers: Providers,
        config: CallConfig,
        clips: ClipStore | None = None,
        tools: ToolRunner | None = None,
        retriever: Retriever | None = None,
        transfers: TransferDesk | None = None,
        credit: Credit | None = None,
        recorder: RecorderSink | None = None,
        observers: Sequence[Observer] = (),
        pacer: Pacer | None = None,
        speakable: Speakable = as_written,
        voice: str = "default",
        key_terms: Sequence[str] = (),
        wall_time: str = "1970-01-01T00:00:00+00:00",
        zone: str = "UTC",
        caller: str = "",
    ) -> None:
        self.call_id = call_id
        self._transport, self._providers, self._config = transport, providers, config
        self._clips, self._recorder, self._observers = clips, recorder, tuple(observers)
        self._answered = e.Answered(wall_time, zone, caller)
        self._key_terms, self._voice, self._speakable = tuple(key_terms), voice, speakable
        self._services = (tools, retriever, transfers, credit)
        self._shared_pacer = pacer
        self._own_pacer: Pacer | None = None
        self._call = Call(config)
        self._inbox: deque[e.Event] = deque()
        self._busy = False
        self._reason = self._unwanted = ""
        self._buffers: dict[int, ClipBuffer] = {}
        self._stt: SttStream | None = None
        self._vad: VadStream | None = None
        self._media_end, self._media_at = 0, 0
        self._listening = self._voiced = False
        self._quiet: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at, self._started = 0.0, False
        self._paced: PacerHandle | None = None

    # ------------------------------------------------------------ life

    async def run(self) -> CallEnded:
        """Hold the call until it ends. Raises only CancelledError, after everything is closed."""
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self._started = True
        report_attempts(self.feed)
        started = self._now()
        self._scope = Scope(f"call:{self.call_id}", self._task_failed)
        self._effects = Scope(f"effects:{self.call_id}", self._task_failed)
        self._playout = self._make_playout()
        self._speaking = Speaking(
            self._providers.tts, self._voice, self._speakable, self._scope, self.feed, self._playout.arrived
        )
        self._operations = Operations(
            self.call_id, self._providers, *self._services, self._scope, self._effects, self.feed, self._config
        )
        effects_limit = max((spec.time_limit_ms / 1_000 for spec in self._config.tools), default=0.0) + 0.5
        try:
            self.feed(self._answered)
            if self._unwanted:
                self.feed(e.HungUp(self._unwanted))
            else:
                await self._transport.start(self)
            await self._done.wait()
            if self._reason == "shutdown":
                effects_limit = _SHUTDOWN_EFFECTS_S
        except asyncio.CancelledError:
            effects_limit = _SHUTDOWN_EFFECTS_S
            self.feed(e.HungUp("shutdown"))
            raise
        except Exception as error:  # noqa: BLE001 - the transport could not start: an ended call, not a crash
            self.feed(e.HungUp(f"transport_failed:{type(error).__name__}"))
        finally:
            await to_its_end(self._close(effects_limit))
        return CallEnded(self.call_id, self._reason, self._now() - started)

    def hang_up(self, reason: str = "operator_hung_up") -> None:
        """End the call from our side, at once; one that has not begun ends as it begins. "shutdown" means the process:
        side effects then get 1.5 s instead of their own limits."""
        if self._started:
            self.feed(e.HungUp(reason))
        else:
            self._unwanted = reason

    async def _close(self, effects_limit: float) -> None:
        """Drain, then cancel; every step bounded, and whatever one of them does, the others follow."""
        closing = Scope(f"closing:{self.call_id}", self._task_failed)
        if self._reason not in ("shutdown", "caller_hung_up", "media_lost"):
            await asyncio.sleep(_LAST_FRAMES_S)
        for timer in (self._timer, self._quiet):
            if timer is not None:
                timer.cancel()
        if self._paced is not None:
            self._paced.remove()
        if isinstance(self._playout, SpanPlayout):
            self._playout.close()
        if self._vad is not None:
            closing.spawn(_CLOSING_VAD, self._vad.aclose())
            await closing.drain(_CLOSE_STEP_S)
            closing.cancel(_CLOSING_VAD)
        await self._scope.aclose()
        closing.spawn(_CLOSING_MEDIA, self._transport.close(self._reason or "ended"))
        await closing.drain(_CLOSE_STEP_S)
        await self._operations.aclose(effects_limit)
        await closing.aclose()
        if self._own_pacer is not None:
            self._own_pacer.close()

    def _make_playout(self) -> Playout:
        if self._transport.carries_spans:
            return SpanPlayout(self._transport, self.feed, self._loop)
        record = partial(self._recorder.write, "agent") if self._recorder is not None else None
        return FramePlayout(self._transport, self.feed, record)

    def _task_failed(self, key: int, error: Exception) -> None:
        """A bug in our own operation code: keep the call alive, keep the content out of the text."""
        self._observe(c.Note("task_failed", 0, key, type(error).__name__))
        if key == _LISTENER:
            self._listening = False
            self.feed(e.HearingFailed("internal"))

    # ------------------------------------------------------------ events in, commands out

    def _now(self) -> int:
        return round(self._loop.time() * 1_000_000)

    def feed(self, event: e.Event) -> None:
        """Hand one event to the core and run what it commands. Re-entrant: events made meanwhile wait their turn."""
        if self._reason and not isinstance(event, e.ToolEnded):
            return
        self._inbox.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._inbox:
                self._step(self._inbox.popleft())
        finally:
            self._busy = False
        self._arm()

    def _step(self, event: e.Event) -> None:
        now = self._now()
        for observer in self._observers:
            observer(now, event)
        self._call.handle(event, now)
        if isinstance(event, e.PlayoutFinished):
            self._buffers.pop(event.attempt, None)
        while (command := self._call.poll()) is not None:
            for observer in self._observers:
                observer(now, command)
            self._execute(command)

    def _observe(self, item: c.Command) -> None:
        now = self._now()
        for observer in self._observers:
            observer(now, item)

    def _arm(self) -> None:
        """One timer, for the core's next deadline. A later deadline leaves it: it then finds nothing due."""
        due = self._call.next_deadline()
        if due is None or self._reason:
            return
        when = due / 1_000_000
        if self._timer is not None:
            if not self._timer.cancelled() and self._loop.time() < self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._timer = None
        due = self._call.next_deadline()
        if due is not None and due <= self._now():
            self.feed(e.Tick())
        else:
            self._arm()

    def _execute(self, command: c.Command) -> None:
        match command:
            case c.Speak():
                self._speaking.speak(command, self._buffer(command.turn, command.attempt))
            case c.Play():
                self._play(command)
            case c.Hold():
                self._inbox.append(self._playout.hold())
            case c.Stop():
                self._inbox.append(self._playout.stop())
                self._buffers.clear()
            case c.Resume():
                self._playout.resume(command.attempt, command.samples)
            case c.Cancel():
                self._buffers.pop(command.attempt, None)
                self._speaking.cancel(command.attempt)
                self._operations.cancel(command.attempt)
            case c.Listen():
                self._listen()
            case c.Record() if self._recorder is not None:
                self._recorder.pause(command.paused)
            case c.Finish():
                self._reason = command.reason
                self._done.set()
            case c.Note() | c.TurnEnded() | c.TurnReopened() | c.Waterfall() | c.ReplyEnded():
                pass  # for the record only
            case _:
                self._operations.start(command)

    # ------------------------------------------------------------ speaking

    def _buffer(self, turn: int, attempt: int) -> ClipBuffer:
        buffer = self._buffers.get(attempt)
        if buffer is None:
            buffer = self._buffers[attempt] = ClipBuffer(turn, attempt, self._speakable)
        return buffer

    def _play(self, command: c.Play) -> None:
        buffer = self._buffer(command.turn, command.attempt)
        if command.cached:
            ready = self._clips.get(command.cached) if self._clips is not None else None
            if ready is None:
                text = self._config.clip_text(command.cached)
                self._speaking.speak(c.Speak(command.turn, command.attempt, text, True), buffer)
            else:
                buffer.source, buffer.known = self._config.clip_text(command.cached), ready.words
                buffer.add(ready.samples, ready.pcm)
                buffer.complete = True
                self._inbox.append(e.ClipReady(command.turn, command.attempt, ready.samples, buffer.word_starts()))
        self._playout.play(buffer, first=command.first)

    # ------------------------------------------------------------ the caller (MediaSink)

    def on_media_up(self) -> None:
        """Audio flows: begin to pace, and to listen."""
        self._media_at = self._now()
        if isinstance(self._playout, FramePlayout):
            pacer = self._shared_pacer
            if pacer is None:
                pacer = self._own_pacer = Pacer(self._loop)
            self._paced = pacer.add(self._playout.tick)
        self.feed(e.MediaUp())

    def on_audio(self, chunk: AudioChunk) -> None:
        """The caller's next audio, straight to recorder, recogniser and VAD: no queue, no task switch."""
        if self._reason:
            return
        self._media_end, self._media_at = chunk.end, self._now()
        if self._recorder is not None and chunk.pcm is not None:
            self._recorder.write("caller", chunk.position, chunk.pcm)
        if self._stt is not None:
            self._stt.push(chunk)
        if self._vad is not None:
            self._vad.push(chunk)

    def on_dtmf(self, digit: str) -> None:
        """A key."""
        self.feed(e.Dtmf(digit))

    def on_hangup(self, reason: str) -> None:
        """The caller is gone."""
        self.feed(e.HungUp(reason))

    def _listen(self) -> None:
        if self._vad is None:
            self._vad = self._providers.vad.open(self._on_voice)
        if not self._listening:
            self._listening = True
            self._scope.spawn(_LISTENER, self._hear())

    def _on_voice(self, event: VadEvent) -> None:
        at = self._media_at - samples_to_us(max(self._media_end - event.position, 0))
        match event.kind:
            case "start":
                self._voiced = True
                if self._stt is not None:
                    self._stt.speech_started(event.position)
                self.feed(e.SpeechStarted(event.position, at))
            case "end":
                self._voiced = False
                if self._stt is not None:
                    self._stt.speech_ended(event.position)
                self.feed(e.SpeechEnded(event.position, at))
            case "failed":
                self.feed(e.ProviderAttempt("vad", self._providers.vad.name, "failed"))
                broken, self._vad, self._voiced = self._vad, None, False
                if broken is not None:
                    self._scope.spawn(_OLD_VAD, broken.aclose())
                self.feed(e.HearingFailed("vad"))

    def _end_segment_soon(self) -> None:
        """The VAD hears nothing, the recogniser words: it must be told when they end, or no final ever comes."""
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = self._loop.call_later(_QUIET_WORDS_S, self._end_segment)

    def _segment_ended(self) -> None:
        """Its final came: one that is asked for now would never come, and the recogniser be taken for dead."""
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None

    def _end_segment(self) -> None:
        if self._stt is not None and not self._voiced:
            self._stt.speech_ended(self._media_end)

    async def _hear(self) -> None:
        """Read one recogniser stream until it ends or fails."""
        report_attempts(self.feed)
        code = "stream_ended"
        stream: SttStream | None = None
        try:
            stream = self._stt = await self._providers.stt.open(key_terms=self._key_terms)
            async for heard in stream:
                self.feed(_heard(heard))
                if heard.kind == "final":
                    self._segment_ended()
                elif heard.kind == "interim" and not self._voiced:
                    self._end_segment_soon()
        except asyncio.CancelledError:
            raise
        except ProviderError as error:
            code = error.code
        except Exception as error:  # noqa: BLE001 - a provider's bug must not end the call
            code = type(error).__name__
        finally:
            self._stt = None if self._stt is stream else self._stt
            if stream is not None:
                await stream.aclose()
        self._listening = False
        self.feed(e.HearingFailed(code))


def _heard(heard: Transcript) -> e.Heard:
    return e.Heard(heard.kind, heard.text, heard.start, heard.end, heard.confidence)
