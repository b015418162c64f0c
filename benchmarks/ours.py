"""Our engine on the fixed stages, through the same ports that production providers stand behind.

settings: ``speculation`` off | on | interims (also while the caller still speaks); ``journal``: journal and recorder
on (default true); ``silero``: the real model hears every frame, too, batched over the calls, for its cost (the
stage's voice activity decides, so that nothing else changes); ``config``: fields of `CallConfig` by section, for
sweeps (``{"endpointing": {"open": 600}}``). Everything else is the default configuration, in every row.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from aivoice.audio.frames import FRAME_SAMPLES, SILENCE, AudioChunk
from aivoice.audio.pacer import Pacer
from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.config import DEFAULT_CLIPS, CallConfig
from aivoice.core.prompt import GenerationRequest
from aivoice.engine.cascade_llm import LlmCascade
from aivoice.engine.cascade_stt import SttCascade
from aivoice.engine.cascade_tts import TtsCascade
from aivoice.engine.cascade_vad import VadCascade
from aivoice.engine.journal import FileJournal
from aivoice.engine.ports import ReadyClip
from aivoice.engine.recorder import Recorder
from aivoice.engine.session import CallSession, Providers
from aivoice.errors import ProviderError
from aivoice.providers.ports import (
    LlmDelta,
    SpeechAudio,
    SpeechEvent,
    SpeechMark,
    TextDelta,
    Transcript,
    VadEvent,
    VadStream,
)
from aivoice.transports.ports import MediaSink
from benchmarks import stages
from benchmarks.caller import Call
from benchmarks.host import Stop, serve
from benchmarks.stages import Heard
from benchmarks.streams import Recogniser, StageError, Voice, generate

if TYPE_CHECKING:
    from aivoice.providers.embedded.silero import SileroVad


class FixedVad:
    """The stage's voice activity behind our port."""

    name = "fixed-vad"

    def open(self, sink: Callable[[VadEvent], None]) -> _VadStream:
        return _VadStream(sink)


class _VadStream:
    def __init__(self, sink: Callable[[VadEvent], None]) -> None:
        self._sink = sink
        self._model = stages.VoiceActivityModel()
        self.judged = 0

    def push(self, chunk: AudioChunk) -> None:
        self.judged = chunk.end
        model = self._model
        change = model.frame(chunk.pcm is not None and stages.read_caller_frame(chunk.pcm) is not None)
        if change is not None:
            back_ms = model.voiced_ms if change == "start" else model.silent_ms
            self._sink(VadEvent(change, max(0, chunk.end - back_ms * stages.SAMPLE_RATE // 1000)))

    async def aclose(self) -> None:
        return None


class _BesideSilero:
    """The stage's voice activity, with Silero hearing the same frames and nobody listening to it."""

    name = "fixed-vad"

    def __init__(self, model: SileroVad) -> None:
        self._model = model

    def open(self, sink: Callable[[VadEvent], None]) -> _BesideStream:
        return _BesideStream(_VadStream(sink), self._model.open(lambda event: None))


class _BesideStream:
    def __init__(self, stage: _VadStream, model: VadStream) -> None:
        self._stage, self._model = stage, model

    @property
    def judged(self) -> int:
        return self._stage.judged

    def push(self, chunk: AudioChunk) -> None:
        self._model.push(chunk)
        self._stage.push(chunk)

    async def aclose(self) -> None:
        await self._stage.aclose()
        await self._model.aclose()


class FixedStt:
    """The stage's recogniser behind our port."""

    name = "fixed-stt"

    def __init__(self, call: Call) -> None:
        self._call = call

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> _SttStream:
        return _SttStream(self._call)


class _SttStream:
    def __init__(self, call: Call) -> None:
        self._call = call
        self._heard: asyncio.Queue[Heard | None] = asyncio.Queue(1_000)
        self._recogniser = Recogniser(call.script, self._heard.put_nowait)
        self._origin: int | None = None
        self._failed = False
        self.dropped_samples = 0

    def push(self, chunk: AudioChunk) -> None:
        assert chunk.pcm is not None
        if self._origin is None:
            self._origin = chunk.position
        if self._call.fault() in ("stt_error", "all") and stages.read_caller_frame(chunk.pcm) is not None:
            self._failed = True
            self._heard.put_nowait(None)
        if not self._failed:
            self._recogniser.push(chunk.pcm)

    def speech_started(self, position: int) -> None:
        """The stage sees it in its own frames."""

    def speech_ended(self, position: int) -> None:
        """The stage sees it in its own frames."""

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return self._transcripts()

    async def _transcripts(self) -> AsyncIterator[Transcript]:
        while True:
            heard = await self._heard.get()
            if heard is None:
                if self._failed:
                    raise ProviderError("the recogniser failed", code="fixed_failure", stage="stt")
                return
            start = (self._origin or 0) + heard.first_frame * FRAME_SAMPLES
            end = (self._origin or 0) + (heard.last_frame + 1) * FRAME_SAMPLES
            yield Transcript(heard.kind, heard.text, start, end)

    async def aclose(self) -> None:
        self._recogniser.close()
        self._failed = False
        with contextlib.suppress(asyncio.QueueFull):
            self._heard.put_nowait(None)


class FixedLlm:
    """The stage's language model behind our port; the prompt is what the caller said since the agent last spoke."""

    name = "fixed-llm"

    def __init__(self, call: Call) -> None:
        self._call = call

    async def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        said: list[str] = []
        self._call.prompted(next((m.text for m in reversed(request.messages) if m.role == "assistant"), None))
        for message in reversed(request.messages):
            if message.role == "assistant":
                break
            if message.role == "user":
                said.insert(0, message.text)
        try:
            async for word in generate(self._call.replies, " ".join(said), self._call.fault):
                yield TextDelta(word)
        except StageError as error:
            raise ProviderError("the language model failed", code="fixed_failure", stage="llm") from error


class FixedTts:
    """The stage's voice behind our port, streaming text or taking whole clauses."""

    name = "fixed-tts"

    def __init__(self, call: Call) -> None:
        self._call = call
        self.streams_text = not call.plan.whole_clauses

    async def open(self, *, voice: str = "default") -> _SpeechStream:
        return _SpeechStream(Voice(self._call.replies, self._call.fault, whole=not self.streams_text))


class _SpeechStream:
    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    def push(self, text: str) -> None:
        self._voice.push(text)

    def finish(self) -> None:
        self._voice.finish()

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        return self._events()

    async def _events(self) -> AsyncIterator[SpeechEvent]:
        position = 0
        try:
            async for word, first, pcm in self._voice.frames():
                if first:
                    yield SpeechMark(word, position)
                yield SpeechAudio(FRAME_SAMPLES, pcm)
                position += FRAME_SAMPLES
        except StageError as error:
            raise ProviderError("the voice failed", code="fixed_failure", stage="tts") from error

    async def aclose(self) -> None:
        return None


class Line:
    """The transport: the caller's frames in, the pacer's frames out."""

    carries_spans = False

    def __init__(self, call: Call) -> None:
        self._call = call

    async def start(self, sink: MediaSink) -> None:
        position = 0

        def feed(pcm: bytes) -> None:
            nonlocal position
            sink.on_audio(AudioChunk(position, FRAME_SAMPLES, pcm))
            position += FRAME_SAMPLES

        sink.on_media_up()
        self._call.feed = feed

    def write(self, frame: bytes) -> None:
        self._call.paced(None if frame is SILENCE else frame)

    def write_span(self, chunk: AudioChunk) -> None:
        raise NotImplementedError

    async def close(self, reason: str) -> None:
        self._call.feed = lambda pcm: None


class Clips:
    """Ready-made clips, as a business has them: 300 ms a word, marked as belonging to no reply."""

    def __init__(self) -> None:
        self._made: dict[str, ReadyClip] = {}
        for key, text in DEFAULT_CLIPS.items():
            words = len(text.split())
            pcm = b"".join(stages.agent_frame(0, 0, frame) for frame in range(words * stages.WORD_FRAMES))
            step = stages.WORD_FRAMES * FRAME_SAMPLES
            self._made[key] = ReadyClip(words * step, pcm, tuple(word * step for word in range(words)))

    def get(self, key: str) -> ReadyClip | None:
        return self._made.get(key)


class Tap:
    """An observer that times what only the engine can tell.

    Offered: a reply's first audio is handed to the pacer (its clip is queued and has audio). Decided: from the first
    interim with words, while the agent is held for the caller's voice, to the decision to stop or to carry on.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._queued: set[int] = set()
        self._sounding: set[int] = set()
        self._held = False
        self._words_at = 0

    def __call__(self, at_us: int, item: e.Event | c.Command) -> None:
        match item:
            case c.Play() if not item.cached:
                self._queued.add(item.attempt)
                if item.attempt in self._sounding:
                    self._call.offered_reply()
            case e.ClipAudio():
                self._sounding.add(item.attempt)
                if item.attempt in self._queued:
                    self._call.offered_reply()
            case c.Hold():
                self._held, self._words_at = True, 0
            case e.Heard() if self._held and item.text and not self._words_at:
                self._words_at = at_us
            case c.Stop() | c.Resume():
                if isinstance(item, c.Stop):
                    self._call.withdrawn()
                if self._held and self._words_at:
                    self._call.took("decided", (at_us - self._words_at) / 1_000_000)
                self._held = False
            case _:
                pass


def config_for(settings: dict[str, Any], *, whole_clauses: bool) -> CallConfig:
    """The default configuration with the row's speculation and a sweep's overrides."""
    config = CallConfig(system="You answer the phone.", tts_streams_text=not whole_clauses)
    mode = settings.get("speculation", "on")
    most = "interim" if mode == "interims" else config.speculation.most
    speculation = replace(config.speculation, enabled=mode != "off", most=most)
    config = replace(config, speculation=speculation)
    for section, values in settings.get("config", {}).items():
        current = getattr(config, section)
        value = replace(current, **values) if isinstance(values, dict) else values
        config = replace(config, **{section: value})
    return config


_pacers: WeakKeyDictionary[asyncio.AbstractEventLoop, Pacer] = WeakKeyDictionary()
_clips = Clips()
_models: WeakKeyDictionary[asyncio.AbstractEventLoop, SileroVad] = WeakKeyDictionary()


async def _voice_activity(settings: dict[str, Any]) -> FixedVad | _BesideSilero:
    if not settings.get("silero"):
        return FixedVad()
    from aivoice.providers.embedded.silero import SileroVad

    loop = asyncio.get_running_loop()
    if loop not in _models:
        _models[loop] = await SileroVad().__aenter__()
    return _BesideSilero(_models[loop])


async def start(call: Call, settings: dict[str, Any]) -> Stop:
    """One CallSession on `call`."""
    loop = asyncio.get_running_loop()
    pacer = _pacers.get(loop)
    if pacer is None:
        pacer = _pacers[loop] = Pacer(loop)
    config = config_for(settings, whole_clauses=call.plan.whole_clauses)
    folder = tempfile.TemporaryDirectory(prefix="bench-call-")
    recording = settings.get("journal", True)
    journal = FileJournal(Path(folder.name) / "journal.jsonl", str(call.number), config) if recording else None
    recorder = Recorder(Path(folder.name) / "recording.wav") if recording else None
    session = CallSession(
        call_id=str(call.number),
        transport=Line(call),
        providers=Providers(
            stt=SttCascade([FixedStt(call)]),
            llm=LlmCascade([FixedLlm(call)]),
            tts=TtsCascade([FixedTts(call)]),
            vad=VadCascade([await _voice_activity(settings)]),
        ),
        config=config,
        clips=_clips,
        recorder=recorder,
        observers=([journal.observe] if journal else []) + [Tap(call)],
        pacer=pacer,
    )

    async def hold() -> None:
        await session.run()
        call.agent_hung_up()

    running = asyncio.create_task(hold())

    async def stop() -> None:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        if journal is not None:
            await journal.aclose(round(loop.time() * 1_000_000))
        if recorder is not None:
            await recorder.aclose()
        folder.cleanup()

    return stop


if __name__ == "__main__":
    serve(start)
