"""A simulated caller at the far end of a real connection: listens until the agent has finished, then says its line.

It hears as a person does: loudness decides whether the agent speaks; the words that its answers are chosen by are taken
from the call's live view (the transcript of what the agent says), where a person would understand the sound.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aivoice.audio.frames import FRAME_BYTES, SAMPLE_RATE
from aivoice.audio.loudness import level_dbfs
from aivoice.engine.clips import as_written
from aivoice.errors import ProviderError
from aivoice.hosting.caller_script import Answer, CallerScript, Line
from aivoice.hosting.clip_store import make_clips
from aivoice.providers.ports import TextToSpeech
from aivoice.transports.webrtc_caller import WebRtcCaller

AUDIBLE_DBFS = -45.0
QUIET_S = 0.7
"""Silence after which a listener takes the agent for finished."""
GIVE_UP_S = 12.0
"""Without any sound for so long the caller goes on by itself."""
_STEP_S = 0.02


@dataclass(slots=True)
class Ears:
    """Hears whether the agent speaks. Given to WebRtcCaller as `hears`."""

    sounding_at: float = -1e9
    began_at: float = -1e9

    def __call__(self, frame: bytes, time: float) -> None:
        if level_dbfs(frame) > AUDIBLE_DBFS:
            if time - self.sounding_at > QUIET_S:
                self.began_at = time
            self.sounding_at = time


@dataclass(frozen=True, slots=True)
class Reaction:
    """One line said: how long its end was before the agent's next sound, ms; None where nothing answered it."""

    said: str
    interrupting: bool
    answered_ms: float | None


@dataclass(slots=True)
class Caller:
    """Drives `phone` through `script`. last_words: of the agent, so far. listening: the agent waits for the caller."""

    phone: WebRtcCaller
    ears: Ears
    script: CallerScript
    voice: Callable[[str], bytes]
    last_words: Callable[[], str]
    listening: Callable[[], bool]
    reactions: list[Reaction] = field(default_factory=list[Reaction])
    _used: dict[int, int] = field(default_factory=dict[int, int])
    _answered: str = ""

    async def talk(self) -> None:
        """The whole conversation; returns when the caller has nothing left to say or the call is over."""
        lines: Iterator[Line] = iter(self.script.lines)
        following = next(lines, None)
        async with asyncio.timeout(self.script.limit_s):
            await self._finished(since=0.0)
            while not self.phone.ended.is_set():
                since = self._now()
                answer = self._answer()
                if answer is not None:
                    await self._say(answer.say)
                elif following is not None:
                    await self._say(following.say, interrupting=following.interrupt_after is not None)
                    following = next(lines, None)
                else:
                    await self._say(self.script.goodbye)
                    await self._over()
                    return
                if following is not None and following.interrupt_after is not None:
                    await self._begun(since, following.interrupt_after)
                else:
                    await self._finished(since)

    # ------------------------------------------------------------ waiting

    async def _finished(self, since: float) -> None:
        """Until the agent has spoken after `since` and finished, or nothing comes for long."""
        quiet_since = self._now()
        while not self.phone.ended.is_set():
            await asyncio.sleep(_STEP_S)
            now = self._now()
            spoke = self.ears.sounding_at > since
            if spoke and now - self.ears.sounding_at > QUIET_S and self.listening():
                return
            if now - max(quiet_since, self.ears.sounding_at) > GIVE_UP_S:
                return

    async def _begun(self, since: float, after_s: float) -> None:
        """Until the agent has been speaking for `after_s` (it may have finished by then)."""
        waiting = self._now()
        while not self.phone.ended.is_set():
            await asyncio.sleep(_STEP_S)
            now = self._now()
            if self.ears.began_at > since and now - self.ears.began_at >= after_s:
                return
            if now - waiting > GIVE_UP_S:
                return

    async def _over(self) -> None:
        """After the goodbye: until the agent hangs up, or has finished."""
        await self._finished(self._now())
        with suppress(TimeoutError):
            async with asyncio.timeout(3.0):
                await self.phone.ended.wait()

    # ------------------------------------------------------------ saying

    def _answer(self) -> Answer | None:
        words = self.last_words()
        if words == self._answered:
            return None  # the agent has said nothing new
        for index, answer in enumerate(self.script.answers):
            if self._used.get(index, 0) < answer.times and re.search(answer.when, words, re.IGNORECASE):
                self._used[index] = self._used.get(index, 0) + 1
                self._answered = words
                return answer
        return None

    async def _say(self, text: str, *, interrupting: bool = False) -> None:
        self.phone.say(self.voice(text))
        await self.phone.said()
        ended_at = self.phone.last_voiced_at or self._now()
        await self._hear_reaction(text, interrupting, ended_at)

    async def _hear_reaction(self, text: str, interrupting: bool, ended_at: float) -> None:
        first: float | None = None
        while first is None and not self.phone.ended.is_set() and self._now() - ended_at < 6.0:
            await asyncio.sleep(_STEP_S)
            # A tenth of a second later: what was under way when an interruption ended is not its answer.
            first = self.phone.first_sound_after(ended_at + 0.1)
        self.reactions.append(Reaction(text, interrupting, None if first is None else (first - ended_at) * 1_000))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def speak_lines(tts: TextToSpeech, script: CallerScript, *, release: str, cache: Path | None) -> dict[str, bytes]:
    """Every line of the script in the caller's voice, 16 kHz s16le, without silence at its ends.

    release, cache: as for `make_clips`. Raises ProviderError when a line cannot be spoken.
    """
    texts = [*(line.say for line in script.lines), *(answer.say for answer in script.answers), script.goodbye]
    by_text = {text: text for text in texts}
    clips = await make_clips(tts, by_text, as_written, voice=script.voice, release=release, cache=cache)
    spoken = {text: trimmed(clip.pcm or b"") for text, clip in clips.ready.items()}
    if clips.missing or not all(spoken.values()):
        raise ProviderError("the caller's voice gave no audio", code="empty_audio", stage="tts")
    return spoken


def trimmed(pcm: bytes) -> bytes:
    """`pcm` from its first to its last audible 20 ms frame, so that the end of speech is the end of the audio."""
    samples = np.frombuffer(pcm[: len(pcm) // FRAME_BYTES * FRAME_BYTES], dtype="<i2").reshape(-1, FRAME_BYTES // 2)
    levels = np.sqrt(np.mean(samples.astype(np.float32) ** 2, axis=1) + 1e-9)
    loud = np.flatnonzero(20 * np.log10(levels / 32_768) > AUDIBLE_DBFS)
    return b"" if not len(loud) else samples[loud[0] : loud[-1] + 1].tobytes()


def seconds(pcm: bytes) -> float:
    """Length of 16 kHz s16le audio."""
    return len(pcm) / 2 / SAMPLE_RATE
