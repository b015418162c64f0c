"""A simulated caller at the far end of a real connection: listens until the agent has finished, then says its line.

It hears as a person does: loudness decides whether the agent speaks; the words that its answers are chosen by are taken
from the call's live view (the transcript of what the agent says), where a person would understand the sound.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from aivoice.audio.frames import FRAME_BYTES, SAMPLE_RATE
from aivoice.audio.loudness import level_dbfs
from aivoice.core.config import DEFAULT_CLIPS
from aivoice.engine.clips import as_written
from aivoice.errors import ProviderError
from aivoice.hosting.caller_script import Answer, CallerScript, Line
from aivoice.hosting.clip_store import make_clips
from aivoice.providers.ports import TextToSpeech

AUDIBLE_DBFS = -45.0
QUIET_S = 0.7
"""Silence after which a listener takes the agent for finished."""
GIVE_UP_S = 12.0
"""Without any sound for so long the caller goes on by itself."""
_REACTS_S = 6.0
"""Without any sound for so long after a line, nothing answered it."""
_SHOWN_S = 1.0
"""The words of a sound are in the live view by then."""
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


class Phone(Protocol):
    """What a caller needs of its end of the line; `WebRtcCaller` is one. Times are the loop's, s."""

    @property
    def ended(self) -> asyncio.Event: ...
    @property
    def last_voiced_at(self) -> float | None: ...
    def say(self, pcm: bytes) -> None: ...
    async def said(self) -> None: ...
    def first_sound_after(self, time: float) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Reaction:
    """One line said. first_sound_ms: from its end to the agent's next sound, be it only "mm-hm" or "one moment".

    answered_ms: from its end to the first sound of what answered it (to one step of the live view where something else
    came first). None where nothing came.
    """

    said: str
    interrupting: bool
    first_sound_ms: float | None
    answered_ms: float | None


def bridges_of(clips: Mapping[str, str]) -> frozenset[str]:
    """Of a call's ready-made clips (key → text) those that keep a caller company and answer nothing."""
    return frozenset(text for key, text in clips.items() if key.partition(".")[0] in ("filler", "continuer"))


def without_bridges(words: str, bridges: frozenset[str]) -> str:
    """`words` of the agent without what only keeps the caller company; "" where that was all."""
    for text in bridges:
        words = re.sub(rf"(?<!\S){re.escape(text.strip())}(?!\S)", " ", words, flags=re.IGNORECASE)
    return " ".join(words.split())


@dataclass(slots=True)
class Caller:
    """Drives `phone` through `script`. last_words: of the agent, so far. listening: the agent waits for the caller.

    bridges: what the agent says only to keep a caller company; a person goes on waiting for the answer.
    """

    phone: Phone
    ears: Ears
    script: CallerScript
    voice: Callable[[str], bytes]
    last_words: Callable[[], str]
    listening: Callable[[], bool]
    bridges: frozenset[str] = bridges_of(DEFAULT_CLIPS)
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
        """Until the agent has answered after `since` and finished, or nothing comes for long. "Mm-hm" is no answer."""
        quiet_since = self._now()
        while not self.phone.ended.is_set():
            await asyncio.sleep(_STEP_S)
            now = self._now()
            spoke = self.ears.sounding_at > since
            if spoke and now - self.ears.sounding_at > QUIET_S and self.listening() and self._substance():
                return
            if now - max(quiet_since, self.ears.sounding_at) > GIVE_UP_S:
                return

    async def _begun(self, since: float, after_s: float) -> None:
        """Until the agent has been speaking for `after_s` (it may have finished by then)."""
        waiting = self._now()
        while not self.phone.ended.is_set():
            await asyncio.sleep(_STEP_S)
            now = self._now()
            if self.ears.began_at > since and now - self.ears.began_at >= after_s and self._substance():
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

    def _substance(self) -> str:
        return without_bridges(self.last_words(), self.bridges)

    async def _say(self, text: str, *, interrupting: bool = False) -> None:
        before = self.last_words()
        self.phone.say(self.voice(text))
        await self.phone.said()
        ended_at = self.phone.last_voiced_at or self._now()
        first, answered = await self._hear_reaction(before, ended_at)
        self.reactions.append(Reaction(text, interrupting, _ms(first, ended_at), _ms(answered, ended_at)))

    async def _hear_reaction(self, before: str, ended_at: float) -> tuple[float | None, float | None]:
        """When the agent's first sound came, and when the answer did. before: the agent's words before the line."""
        first: float | None = None
        while first is None:
            if self.phone.ended.is_set() or self._now() - ended_at >= _REACTS_S:
                return None, None
            await asyncio.sleep(_STEP_S)
            # A tenth of a second later: what was under way when an interruption ended is not its answer.
            first = self.phone.first_sound_after(ended_at + 0.1)
        heard_at, bridged = self._now(), False
        while not self.phone.ended.is_set() and self._now() - ended_at < GIVE_UP_S:
            if self.last_words() != before or self._now() - heard_at >= _SHOWN_S:
                if self._substance():
                    return first, self._now() if bridged else first
                bridged = True
            await asyncio.sleep(_STEP_S)
        return first, None

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _ms(at: float | None, ended_at: float) -> float | None:
    return None if at is None else (at - ended_at) * 1_000


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
