"""livekit-agents' AgentSession on the fixed stages. Runs in the peers' environment, not in the product's.

settings: ``mode`` best | default; ``speculation`` off | early (a preflight transcript 150 ms after speech) |
interims (every interim as a preflight transcript).

best: voice activity ends the turn with no further delay, an interruption counts after 50 ms, a false one is taken back
after 400 ms, no text filters, the voice tells its word times, the reply's audio is made ahead too when speculating.
default: what the session does when nothing is said, but for the remote turn detector and the echo warm-up, which need
a service and a room. The output is an ideal pacer: it takes frames at once, plays them on a 20 ms grid and stops
within one frame.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Any

from livekit import rtc
from livekit.agents import APIConnectionError, llm, stt, tokenize, tts, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from livekit.agents.voice import Agent, AgentSession
from livekit.agents.voice.io import TimedString
from livekit.agents.voice.transcription import TranscriptSynchronizer

from benchmarks import stages
from benchmarks.caller import Call
from benchmarks.host import Stop, serve
from benchmarks.peer_agentsession_audio import Ear, Mouth, NoText, to_frame, to_pcm
from benchmarks.stages import Heard
from benchmarks.streams import Recogniser, StageError, Voice, generate

logging.getLogger("livekit").setLevel(logging.CRITICAL)
logging.getLogger("livekit.agents").setLevel(logging.CRITICAL)


class FixedVad(vad.VAD):
    """The stage's voice activity as a plugin."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=stages.FRAME_S))

    def stream(self) -> vad.VADStream:
        return _VadStream(self)


class _VadStream(vad.VADStream):
    async def _main_task(self) -> None:
        model = stages.VoiceActivityModel()
        position = 0
        spoken: deque[rtc.AudioFrame] = deque(maxlen=100)
        async for frame in self._input_ch:
            if isinstance(frame, self._FlushSentinel):
                model = stages.VoiceActivityModel()
                continue
            voiced = stages.read_caller_frame(to_pcm(frame)) is not None
            change = model.frame(voiced)
            position += frame.samples_per_channel
            spoken.append(frame)
            if change == "start":
                self._tell(vad.VADEventType.START_OF_SPEECH, model, voiced, position, list(spoken)[-3:])
            self._tell(vad.VADEventType.INFERENCE_DONE, model, voiced, position, [frame])
            if change == "end":
                self._tell(vad.VADEventType.END_OF_SPEECH, model, voiced, position, list(spoken))

    def _tell(
        self,
        kind: vad.VADEventType,
        model: stages.VoiceActivityModel,
        voiced: bool,
        position: int,
        frames: list[rtc.AudioFrame],
    ) -> None:
        speech_s, silence_s = model.voiced_ms / 1000, model.silent_ms / 1000
        self._event_ch.send_nowait(
            vad.VADEvent(
                type=kind,
                samples_index=position,
                timestamp=position / stages.SAMPLE_RATE,
                speech_duration=speech_s if model.speaking or kind == vad.VADEventType.END_OF_SPEECH else 0.0,
                silence_duration=silence_s,
                frames=frames,
                probability=1.0 if voiced else 0.0,
                speaking=model.speaking,
                raw_accumulated_speech=speech_s if voiced else 0.0,
                raw_accumulated_silence=0.0 if voiced else silence_s,
            )
        )


class FixedStt(stt.STT):
    """The stage's recogniser as a plugin."""

    def __init__(self, call: Call, speculation: str) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.call = call
        self.speculation = speculation

    async def _recognize_impl(self, buffer: Any, *, language: Any, conn_options: APIConnectOptions) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(
        self, *, language: Any = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> stt.RecognizeStream:
        return _SttStream(self, conn_options)


class _SttStream(stt.RecognizeStream):
    def __init__(self, plugin: FixedStt, conn_options: APIConnectOptions) -> None:
        self._plugin = plugin
        super().__init__(stt=plugin, conn_options=conn_options)

    async def _run(self) -> None:
        call = self._plugin.call
        recogniser = Recogniser(call.script, self._heard)
        try:
            async for frame in self._input_ch:
                if isinstance(frame, self._FlushSentinel):
                    continue
                pcm = to_pcm(frame)
                if call.fault() in ("stt_error", "all") and stages.read_caller_frame(pcm) is not None:
                    raise APIConnectionError("stt")
                recogniser.push(pcm)
        finally:
            recogniser.close()

    def _heard(self, heard: Heard) -> None:
        kind = stt.SpeechEventType.FINAL_TRANSCRIPT
        if heard.kind == "interim":
            early = self._plugin.speculation == "interims" or (self._plugin.speculation == "early" and heard.full)
            kind = stt.SpeechEventType.PREFLIGHT_TRANSCRIPT if early else stt.SpeechEventType.INTERIM_TRANSCRIPT
        data = stt.SpeechData(language="en", text=heard.formatted or heard.text, confidence=1.0)
        with contextlib.suppress(Exception):
            self._event_ch.send_nowait(stt.SpeechEvent(type=kind, alternatives=[data]))


class FixedLlm(llm.LLM):
    """The stage's language model as a plugin; the prompt is what the caller said since the agent last spoke."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **kwargs: Any,
    ) -> llm.LLMStream:
        return _LlmStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _LlmStream(llm.LLMStream):
    async def _run(self) -> None:
        call = self._llm.call  # type: ignore[attr-defined]
        said: list[str] = []
        assistant = (
            i.text_content for i in reversed(self._chat_ctx.items) if i.type == "message" and i.role == "assistant"
        )
        call.prompted(next(assistant, None))
        for item in reversed(self._chat_ctx.items):
            if item.type != "message" or item.role != "user":
                if item.type == "message" and item.role == "assistant":
                    break
                continue
            said.insert(0, item.text_content or "")
        try:
            async for word in generate(call.replies, " ".join(said), call.fault):
                delta = llm.ChoiceDelta(role="assistant", content=word)
                self._event_ch.send_nowait(llm.ChatChunk(id="fixed", delta=delta))
        except StageError as error:
            raise APIConnectionError(str(error)) from error


class FixedTts(tts.TTS):
    """The stage's voice as a plugin, streaming text or (whole) one clause a request."""

    def __init__(self, call: Call, *, aligned: bool) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=not call.plan.whole_clauses, aligned_transcript=aligned),
            sample_rate=stages.SAMPLE_RATE,
            num_channels=1,
        )
        self.call = call

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _WholeClause(tts=self, input_text=text, conn_options=conn_options)

    def stream(self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> tts.SynthesizeStream:
        return _TtsStream(tts=self, conn_options=conn_options)


class _WholeClause(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        call = self._tts.call  # type: ignore[attr-defined]
        output_emitter.initialize(
            request_id="fixed", sample_rate=stages.SAMPLE_RATE, num_channels=1, mime_type="audio/pcm", frame_size_ms=20
        )
        voice = Voice(call.replies, call.fault, whole=True)
        voice.push(self._input_text)
        voice.finish()
        try:
            async for _, _, pcm in voice.frames():
                output_emitter.push_frame(to_frame(pcm))
        except StageError as error:
            raise APIConnectionError(str(error)) from error
        output_emitter.flush()


class _TtsStream(tts.SynthesizeStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        call = self._tts.call  # type: ignore[attr-defined]
        output_emitter.initialize(
            request_id="fixed",
            sample_rate=stages.SAMPLE_RATE,
            num_channels=1,
            mime_type="audio/pcm",
            frame_size_ms=20,
            stream=True,
        )
        voice = Voice(call.replies, call.fault)

        async def read() -> None:
            async for piece in self._input_ch:
                if isinstance(piece, str):
                    self._mark_started()
                    voice.push(piece)
            voice.finish()

        reading = asyncio.create_task(read())
        started = False
        try:
            async for index, first, pcm in voice.frames():
                if not started:
                    started = True
                    output_emitter.start_segment(segment_id="fixed")
                if first and self._tts.capabilities.aligned_transcript:
                    at = index * stages.WORD_FRAMES * stages.FRAME_S
                    until = at + stages.WORD_FRAMES * stages.FRAME_S
                    output_emitter.push_timed_transcript(TimedString(f"{voice.word(index)} ", at, until))
                output_emitter.push_frame(to_frame(pcm))
            if started:
                output_emitter.end_segment()
        except StageError as error:
            raise APIConnectionError(str(error)) from error
        finally:
            reading.cancel()


def _turn_handling(settings: dict[str, Any]) -> dict[str, Any]:
    speculate = settings["speculation"] != "off"
    if settings["mode"] == "default":
        return {
            "turn_detection": "vad",
            "preemptive_generation": {"enabled": speculate},
        }
    return {
        "turn_detection": "vad",
        "endpointing": {"mode": "fixed", "min_delay": 0.0, "max_delay": 0.0},
        "interruption": {"mode": "vad", "min_duration": 0.05, "false_interruption_timeout": 0.4},
        "preemptive_generation": {"enabled": speculate, "preemptive_tts": speculate, "max_retries": 50},
    }


async def start(call: Call, settings: dict[str, Any]) -> Stop:
    """One AgentSession on `call`."""
    best = settings["mode"] == "best"
    voice: tts.TTS = FixedTts(call, aligned=best)
    if call.plan.whole_clauses and best:
        tokenizer = tokenize.blingfire.SentenceTokenizer(min_sentence_len=1, stream_context_len=1)
        voice = tts.StreamAdapter(tts=voice, sentence_tokenizer=tokenizer)
    extra: dict[str, Any] = {"tts_text_transforms": None, "use_tts_aligned_transcript": True} if best else {}
    session: AgentSession[None] = AgentSession(
        vad=FixedVad(),
        stt=FixedStt(call, settings["speculation"]),
        llm=FixedLlm(call),
        tts=voice,
        turn_handling=_turn_handling(settings),
        aec_warmup_duration=None,
        user_away_timeout=None,
        **extra,
    )
    stopping = asyncio.Event()
    session.on("close", lambda event: None if stopping.is_set() else call.agent_hung_up())
    session.input.audio = Mouth(call)
    # As its room output does by default: the heard text comes from the audio played.
    synchronizer = TranscriptSynchronizer(next_in_chain_audio=Ear(call), next_in_chain_text=NoText())
    session.output.audio = synchronizer.audio_output
    session.output.transcription = synchronizer.text_output
    await session.start(Agent(instructions="You answer the phone."))

    async def stop() -> None:
        stopping.set()
        await session.aclose()
        await synchronizer.aclose()

    return stop


if __name__ == "__main__":
    serve(start)
