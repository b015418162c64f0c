"""pipecat on the fixed stages. Runs in the peers' environment, not in the product's.

settings: ``mode`` best | default; ``speculation`` off | early (an eager end of turn 150 ms after speech, withdrawn if
the caller goes on).

best: voice activity runs on the loop without a thread, the turn ends with the final transcript, words go to the voice
as they come, 20 ms output chunks, no answer to empty turns. default: the turn-stop strategy's own 0.6 s wait, whole
sentences to the voice, 40 ms chunks. The default model for the end of turn (Smart Turn) judges real speech, which the
stages do not have, so `default` uses the timed strategy with its default settings.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from typing import Any

from loguru import logger

logger.remove()
if "--log" in sys.argv:
    logger.add(sys.stderr, level="DEBUG")

from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams, VADState  # noqa: E402
from pipecat.frames.frames import (  # noqa: E402
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    VADUserStartedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline  # noqa: E402
from pipecat.pipeline.worker import PipelineParams, PipelineWorker  # noqa: E402
from pipecat.processors.aggregators.llm_context import LLMContext  # noqa: E402
from pipecat.processors.aggregators.llm_response_universal import (  # noqa: E402
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor  # noqa: E402
from pipecat.services.llm_service import LLMService  # noqa: E402
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings  # noqa: E402
from pipecat.services.stt_service import STTService  # noqa: E402
from pipecat.services.tts_service import TextAggregationMode, TTSService  # noqa: E402
from pipecat.transports.base_input import BaseInputTransport  # noqa: E402
from pipecat.transports.base_output import BaseOutputTransport  # noqa: E402
from pipecat.transports.base_transport import TransportParams  # noqa: E402
from pipecat.turns.eager_end_of_turn_mixin import EagerEndOfTurnSTTServiceMixin  # noqa: E402
from pipecat.turns.user_start import VADUserTurnStartStrategy  # noqa: E402
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy  # noqa: E402
from pipecat.turns.user_turn_strategies import EagerUserTurnStrategies, UserTurnStrategies  # noqa: E402
from pipecat.utils.time import time_now_iso8601  # noqa: E402
from pipecat.workers.runner import WorkerRunner  # noqa: E402

from benchmarks import stages  # noqa: E402
from benchmarks.caller import Call  # noqa: E402
from benchmarks.host import Stop, serve  # noqa: E402
from benchmarks.stages import Heard  # noqa: E402
from benchmarks.streams import Recogniser, StageError, Voice, generate  # noqa: E402


class FixedVad(VADAnalyzer):
    """The stage's voice activity, run on the loop (the base class would use a thread a call)."""

    def __init__(self) -> None:
        params = VADParams(start_secs=stages.VAD_START_MS / 1000, stop_secs=stages.VAD_END_MS / 1000, min_volume=0.0)
        super().__init__(sample_rate=stages.SAMPLE_RATE, params=params)
        self._model = stages.VoiceActivityModel()

    def num_frames_required(self) -> int:
        return stages.FRAME_SAMPLES

    def voice_confidence(self, buffer: bytes) -> float:
        return 1.0 if stages.read_caller_frame(buffer) is not None else 0.0

    async def analyze_audio(self, buffer: bytes) -> VADState:
        self._model.frame(stages.read_caller_frame(buffer) is not None)
        return VADState.SPEAKING if self._model.speaking else VADState.QUIET


class FixedStt(EagerEndOfTurnSTTServiceMixin, STTService):
    """The stage's recogniser as a service."""

    def __init__(self, call: Call, *, eager: bool) -> None:
        super().__init__(
            enable_eager_end_of_turn=eager,
            ttfs_p99_latency=stages.FINAL_S,
            sample_rate=stages.SAMPLE_RATE,
            settings=STTSettings(model="fixed", language=None),
        )
        self._call = call
        self._eager = eager
        self._heard: asyncio.Queue[Heard] = asyncio.Queue(100)
        self._recogniser = Recogniser(call.script, self._heard.put_nowait)
        self._reading: asyncio.Task[None] | None = None
        self._dead = False

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        self._reading = self.create_task(self._read())

    async def cleanup(self) -> None:
        await super().cleanup()
        self._recogniser.close()
        if self._reading is not None:
            await self.cancel_task(self._reading)
            self._reading = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if self._eager and isinstance(frame, VADUserStartedSpeakingFrame):
            await self._cancel_eager_end_of_turn()
            await self.broadcast_frame(ProposedUserStartedSpeakingFrame)

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        if self._call.fault() in ("stt_error", "all"):
            if stages.read_caller_frame(audio) is not None and not self._dead:
                self._dead = True
                await self.push_error(error_msg="recogniser failed")
        else:
            self._dead = False
        if not self._dead:
            self._recogniser.push(audio)
        yield None

    async def _read(self) -> None:
        while True:
            heard = await self._heard.get()
            if not heard.text:
                continue
            now = time_now_iso8601()
            if heard.kind == "interim":
                if self._eager and heard.full:
                    await self._push_eager_end_of_turn(heard.formatted or heard.text, user_id="caller")
                else:
                    await self.push_frame(InterimTranscriptionFrame(heard.text, "caller", now))
                continue
            self._clear_eager_end_of_turn()
            await self.push_frame(TranscriptionFrame(heard.text, "caller", now, finalized=True))
            if self._eager:
                await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)


class FixedLlm(LLMService):
    """The stage's language model as a service; the prompt is what the caller said since the agent last spoke."""

    def __init__(self, call: Call) -> None:
        fields = dict.fromkeys(
            (
                "temperature", "max_tokens", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed",
                "filter_incomplete_user_turns", "user_turn_completion_config", "system_instruction",
            )
        )  # fmt: skip
        super().__init__(settings=LLMSettings(model="fixed", **fields))
        self._call = call

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        said: list[str] = []
        messages = frame.context.messages
        self._call.prompted(
            next((str(m.get("content")) for m in reversed(messages) if m.get("role") == "assistant"), None)
        )
        for message in reversed(messages):
            if message.get("role") == "assistant":
                break
            if message.get("role") == "user":
                said.insert(0, str(message.get("content")))
        await self.push_frame(LLMFullResponseStartFrame())
        try:
            async for word in generate(self._call.replies, " ".join(said), self._call.fault):
                if word:
                    await self._push_llm_text(word)
        except StageError as error:
            await self.push_error(error_msg="language model failed", exception=error)
        finally:
            await self.push_frame(LLMFullResponseEndFrame())


class FixedTts(TTSService):
    """The stage's voice as a service that, like the streaming vendors', hands audio over from a task of its own."""

    def __init__(self, call: Call, *, tokens: bool) -> None:
        super().__init__(
            text_aggregation_mode=TextAggregationMode.TOKEN if tokens else TextAggregationMode.SENTENCE,
            push_start_frame=True,
            push_text_frames=False,
            sample_rate=stages.SAMPLE_RATE,
            settings=TTSSettings(model="fixed", voice=None, language=None),
        )
        self._call = call
        self._whole = call.plan.whole_clauses
        self._speaking: dict[str, tuple[asyncio.Queue[Voice | None], asyncio.Task[None]]] = {}
        self._open: dict[str, Voice] = {}

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        if context_id not in self._speaking:
            queue: asyncio.Queue[Voice | None] = asyncio.Queue(100)
            self._speaking[context_id] = (queue, self.create_task(self._speak(context_id, queue)))
        queue = self._speaking[context_id][0]
        if self._whole:
            voice = Voice(self._call.replies, self._call.fault, whole=True)
            voice.push(text)
            voice.finish()
            queue.put_nowait(voice)
        else:
            if context_id not in self._open:
                self._open[context_id] = Voice(self._call.replies, self._call.fault)
                queue.put_nowait(self._open[context_id])
            self._open[context_id].push(text if text.startswith(" ") else f" {text}")
        yield None

    async def flush_audio(self, context_id: str | None = None) -> None:
        context_id = context_id or self.get_active_audio_context_id()
        if context_id is None or context_id not in self._speaking:
            return
        if voice := self._open.pop(context_id, None):
            voice.finish()
        self._speaking[context_id][0].put_nowait(None)

    async def on_audio_context_interrupted(self, context_id: str) -> None:
        await super().on_audio_context_interrupted(context_id)
        await self._forget(context_id)

    async def cleanup(self) -> None:
        await super().cleanup()
        for context_id in list(self._speaking):
            await self._forget(context_id)

    async def _forget(self, context_id: str) -> None:
        self._open.pop(context_id, None)
        entry = self._speaking.pop(context_id, None)
        if entry is not None:
            await self.cancel_task(entry[1])

    async def _speak(self, context_id: str, queue: asyncio.Queue[Voice | None]) -> None:
        frames = 0
        try:
            while (voice := await queue.get()) is not None:
                async for index, first, pcm in voice.frames():
                    if first:  # word times, as the streaming vendors give them
                        word = voice.word(index)
                        await self.add_word_timestamps([(word, frames * stages.FRAME_S)], context_id)
                    frames += 1
                    frame = TTSAudioRawFrame(pcm, stages.SAMPLE_RATE, 1, context_id=context_id)
                    await self.append_to_audio_context(context_id, frame)
        except StageError as error:
            await self.push_error(error_msg="voice failed", exception=error)
        self._speaking.pop(context_id, None)
        self._open.pop(context_id, None)
        if self.audio_context_available(context_id):
            await self.append_to_audio_context(context_id, TTSStoppedFrame(context_id=context_id))
            await self.remove_audio_context(context_id)


class Mouth(BaseInputTransport):
    """The caller's frames as the transport's input."""

    def __init__(self, call: Call, params: TransportParams) -> None:
        super().__init__(params)
        self._call = call

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        # push_audio_frame is this put behind an await; the driver's tick is synchronous.
        self._call.feed = lambda pcm: self._audio_in_queue.put_nowait(InputAudioRawFrame(pcm, stages.SAMPLE_RATE, 1))


class Offered(FrameProcessor):
    """Stands right before the output and notes when audio is handed to it."""

    def __init__(self, call: Call) -> None:
        super().__init__(enable_direct_mode=True)
        self._call = call

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self._call.offered(frame.audio)
        await self.push_frame(frame, direction)


class Ear(BaseOutputTransport):
    """The output: takes a chunk whenever the last one has been played, as the network transports do."""

    def __init__(self, call: Call, params: TransportParams) -> None:
        super().__init__(params)
        self._call = call
        self._next_write = 0.0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        loop = asyncio.get_running_loop()
        for start in range(0, len(frame.audio), stages.FRAME_BYTES):
            self._next_write = max(self._next_write, loop.time())
            await asyncio.sleep(max(0.0, self._next_write - loop.time()))
            self._next_write += stages.FRAME_S
            self._call.paced(frame.audio[start : start + stages.FRAME_BYTES])
        return True


def _strategies(settings: dict[str, Any]) -> UserTurnStrategies:
    if settings["speculation"] == "early":
        return EagerUserTurnStrategies()
    if settings["mode"] == "default":
        return UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy()])
    return UserTurnStrategies(
        start=[VADUserTurnStartStrategy()], stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0)]
    )


async def start(call: Call, settings: dict[str, Any]) -> Stop:
    """One pipeline on `call`."""
    best = settings["mode"] == "best"
    params = TransportParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        audio_in_sample_rate=stages.SAMPLE_RATE,
        audio_out_sample_rate=stages.SAMPLE_RATE,
        audio_out_10ms_chunks=2 if best else 4,
        audio_out_end_silence_secs=0,
    )
    user = LLMUserAggregatorParams(user_turn_strategies=_strategies(settings), vad_analyzer=FixedVad())
    if best:
        user.empty_user_turn = None
    context = LLMContextAggregatorPair(LLMContext(), user_params=user)
    pipeline = Pipeline(
        [
            Mouth(call, params),
            FixedStt(call, eager=settings["speculation"] == "early"),
            context.user(),
            FixedLlm(call),
            FixedTts(call, tokens=best and not call.plan.whole_clauses),
            Offered(call),
            Ear(call, params),
            context.assistant(),
        ]
    )
    worker = PipelineWorker(
        pipeline,
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
        params=PipelineParams(
            audio_in_sample_rate=stages.SAMPLE_RATE, audio_out_sample_rate=stages.SAMPLE_RATE, enable_metrics=False
        ),
    )
    started = asyncio.Event()
    ended = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def _started(*_: Any) -> None:
        started.set()

    @worker.event_handler("on_pipeline_finished")
    async def _finished(*_: Any) -> None:
        if not ended.is_set():
            call.agent_hung_up()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await asyncio.wait_for(started.wait(), 20)

    async def stop() -> None:
        ended.set()
        await worker.cancel()
        await asyncio.wait([running], timeout=5)

    return stop


if __name__ == "__main__":
    serve(start)
