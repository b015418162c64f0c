"""The ports: what the engine asks of speech-to-text, language model, text-to-speech, VAD, turn detection, embedding.

Rules for every port
- Nothing here may block the event loop for more than 5 ms: inference runs elsewhere.
- A failure is raised as `ProviderError` (never anything else on purpose) from the method or iterator that met it.
- `aclose()` is idempotent, ends within 1 s, and stops all work and charges; iterators then end quietly.
- Cancelling the task that awaits a method leaves the provider usable and leaks nothing.
- A provider object serves many calls; a stream object serves one. No caller text in exceptions or logs.
- Audio is PCM as in `aivoice.audio.frames` (16 kHz s16le mono); adapters convert.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from aivoice.audio.frames import AudioChunk
from aivoice.core.prompt import GenerationRequest

# ---------------------------------------------------------------- speech to text


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was understood of the caller since the last final.

    kind: ``interim`` (may change; the WHOLE text since the last final), ``final`` (will not change; ends a segment),
    ``eager`` (the provider thinks the turn ended), ``resumed`` (it took an eager end back).
    start, end: sample positions of the segment. confidence: 0…1. useful output = non-empty `text`.
    """

    kind: Literal["interim", "final", "eager", "resumed"]
    text: str
    start: int
    end: int
    confidence: float = 1.0


class SttStream(Protocol):
    """One call's recogniser. Push from the loop, iterate the transcripts in one task."""

    def push(self, chunk: AudioChunk) -> None:
        """Next audio, contiguous. Never blocks. At least 30 s may wait to be heard; past that a recogniser may drop the
        oldest, and counts it."""
        ...

    @property
    def dropped_samples(self) -> int:
        """Samples that were pushed and will never be heard, because too much waited; never goes back. Every other
        sample before a `speech_ended` lies within a final, or the stream fails."""
        ...

    def speech_started(self, position: int) -> None:
        """The VAD heard speech from `position` on (a hint: recognisers that endpoint by themselves ignore it)."""
        ...

    def speech_ended(self, position: int) -> None:
        """The VAD heard the speech end at `position`: a final for everything before it is wanted soon.

        Exactly one final (possibly with empty text) follows per `speech_ended`, unless the stream fails.
        """
        ...

    def __aiter__(self) -> AsyncIterator[Transcript]: ...

    async def aclose(self) -> None: ...


class SpeechToText(Protocol):
    name: str

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> SttStream:
        """A new stream. key_terms: names and words of the business that recognition should favour."""
        ...


# ---------------------------------------------------------------- language model


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the reply, spaces included: pieces concatenate to the reply's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A complete tool call. `arguments`: JSON object text. Several may come in one reply."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class UsageDelta:
    """Tokens metered for this request so far, cached ones among the prompt's. It may be told again, never less: the
    last counts, also where the request is cancelled after it."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


LlmDelta = TextDelta | ToolCallDelta | UsageDelta


class LanguageModel(Protocol):
    name: str

    def generate(self, request: GenerationRequest) -> AsyncIterator[LlmDelta]:
        """Stream one reply; the iterator ends when the reply is complete. It is an async generator:
        `aclose()` or cancelling cuts it off. Useful output = a TextDelta with a non-space, or a ToolCallDelta."""
        ...


# ---------------------------------------------------------------- text to speech


@dataclass(frozen=True, slots=True)
class SpeechAudio:
    """The next stretch of speech. pcm None: a span of that many samples (simulated calls)."""

    samples: int
    pcm: bytes | None


@dataclass(frozen=True, slots=True)
class SpeechMark:
    """Word number `word` (from 0; pushed text split at white space) starts at `sample` of this stream's audio."""

    word: int
    sample: int


SpeechEvent = SpeechAudio | SpeechMark


class SpeechStream(Protocol):
    """One clause being spoken. Push text, `finish`, iterate the audio in one task until it ends."""

    def push(self, text: str) -> None:
        """More text, already normalised for speech, spaces included. Never blocks."""
        ...

    def finish(self) -> None:
        """No more text: the iterator ends after the last audio."""
        ...

    def __aiter__(self) -> AsyncIterator[SpeechEvent]: ...

    async def aclose(self) -> None: ...


class TextToSpeech(Protocol):
    """streams_text: audio can start before `finish` (the engine then pushes word by word);
    otherwise the engine pushes a whole clause at once."""

    name: str
    streams_text: bool

    async def open(self, *, voice: str = "default") -> SpeechStream: ...


@runtime_checkable
class Revised(Protocol):
    """What a TextToSpeech whose speech may be kept on disk says besides."""

    @property
    def revision(self) -> str:
        """Changes whenever the same text and voice might sound otherwise: another model, another release."""
        ...


# ---------------------------------------------------------------- what providers over a network say besides


@runtime_checkable
class Warm(Protocol):
    """What a provider with connections says besides, so that no caller waits for a handshake."""

    async def warm(self) -> None:
        """Open what the next request needs, if it is not open; cheap to repeat, charges nothing. Never raises."""
        ...


@runtime_checkable
class Checked(Protocol):
    """What a provider with an account says besides; for ``aivoice doctor`` and the start of a server."""

    async def check(self) -> None:
        """Ask the service whether it takes our key, model and voice; charges nothing, or as good as nothing.

        Raises ProviderError with a code of `providers.failures`.
        """
        ...


# ---------------------------------------------------------------- voice activity, end of turn, embeddings


@dataclass(frozen=True, slots=True)
class VadEvent:
    """speech ``start`` at its first voiced sample, or ``end`` just past its last voiced sample (`position`);
    ``failed``: this stream will say nothing more (the engine switches to the next VAD)."""

    kind: Literal["start", "end", "failed"]
    position: int


class VadStream(Protocol):
    """One call's voice activity. Results come by the callback given to `open`, on the event loop."""

    @property
    def judged(self) -> int:
        """Position up to which the pushed audio has been judged, be it silence: never goes back, never past what was
        pushed. A stream holds back at most 100 ms for its windows; one that falls a second behind counts as hung."""
        ...

    def push(self, chunk: AudioChunk) -> None: ...

    async def aclose(self) -> None: ...


class VoiceActivity(Protocol):
    """Batched over all streams of the process."""

    name: str

    def open(self, sink: Callable[[VadEvent], None]) -> VadStream: ...


class TurnDetector(Protocol):
    name: str

    async def score(self, text: str, audio: bytes) -> float:
        """Probability 0…1 that the caller is done, from the turn's text so far and its last ≤ 8 s of PCM."""
        ...


class Embedder(Protocol):
    name: str
    dimensions: int

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Unit vectors, one a text, in order."""
        ...
