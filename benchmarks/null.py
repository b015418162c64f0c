"""A call with no engine: the same caller, stages and pacing, wired together with nothing that decides anything.

Its cost is subtracted from every engine's, so what is left is what the engine itself needs.
"""

from __future__ import annotations

import asyncio

from benchmarks import stages
from benchmarks.caller import Call
from benchmarks.stages import Heard
from benchmarks.streams import Recogniser, Voice, generate


class NullCall:
    """Answers each final transcript; frames go to the ear when the voice yields them."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._vad = stages.VoiceActivityModel()
        self._recogniser = Recogniser(call.script, self._heard)
        self._reply: asyncio.Task[None] | None = None
        call.feed = self._feed

    def _feed(self, pcm: bytes) -> None:
        self._vad.frame(stages.read_caller_frame(pcm) is not None)
        self._recogniser.push(pcm)

    def _heard(self, heard: Heard) -> None:
        if heard.kind == "final" and heard.text:
            if self._reply is not None:
                self._reply.cancel()
            self._reply = asyncio.get_running_loop().create_task(self._answer(heard.text))

    async def _answer(self, text: str) -> None:
        call = self._call
        voice = Voice(call.replies, call.fault, whole=call.plan.whole_clauses)
        speaking = asyncio.get_running_loop().create_task(self._speak(voice))
        try:
            async for word in generate(call.replies, text, call.fault):
                voice.push(word)
            voice.finish()
            await speaking
        finally:
            speaking.cancel()

    async def _speak(self, voice: Voice) -> None:
        async for _, _, pcm in voice.frames():
            self._call.offered(pcm)
            self._call.paced(pcm)

    async def stop(self) -> None:
        self._recogniser.close()
        if self._reply is not None:
            self._reply.cancel()
