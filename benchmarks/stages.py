"""The fixed-latency stages every engine is measured on: pure data and small clocks, no I/O, no asyncio.

All times are seconds of one monotonic clock unless a name says ms. Caller frames are 20 ms of 16 kHz s16le mono; what
was said travels in the frame's first samples, so a stage knows its input however late or by whichever path it came.

- voice activity: start after 50 ms of voiced frames (the third frame), end after 100 ms of silent ones;
- recognition: interims every 200 ms from the onset, words 150 ms late, one interim with the full text 150 ms after the
  last voiced frame, the final 300 ms after it; finals are formatted (a capital, an end mark where the sentence is or
  could be over), interims are bare words;
- language model: 350 ms, then a word every 10 ms, its text a function of the prompt;
- speech: first byte 100 ms after the first non-empty text, then 20 ms frames in real time.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field, replace
from typing import Literal

SAMPLE_RATE = 16_000
FRAME_MS = 20
FRAME_S = FRAME_MS / 1000
FRAME_SAMPLES = SAMPLE_RATE * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * 2
SILENCE = bytes(FRAME_BYTES)

VAD_START_MS = 50
VAD_END_MS = 100
INTERIM_EVERY_S = 0.200
WORD_LATENESS_S = 0.150
FULL_INTERIM_S = 0.150
FINAL_S = 0.300
LLM_FIRST_S = 0.350
LLM_WORD_S = 0.010
TTS_FIRST_S = 0.100
WORD_FRAMES = 15
"""Frames of audio a spoken word lasts: 300 ms for its three syllables."""
FIRST_CLAUSE_WORDS = 6

LOUD = 8_000
"""Amplitude of voiced frames; an output frame is quiet once its peak is 20 dB below it."""
QUIET = LOUD // 10
CALLER_MAGIC = 0x5A17
AGENT_MAGIC = 0x3C29
_HEADER = struct.Struct("<hhhh")
_TAIL = struct.pack("<hh", LOUD, -LOUD) * ((FRAME_SAMPLES - 4) // 2)

# ---------------------------------------------------------------- what the caller says

UtteranceKind = Literal[
    "clean", "paused", "paused_inside", "paused_complete", "revised", "spelled", "backchannel", "cough"
]


@dataclass(frozen=True, slots=True)
class Word:
    """One word and where it lies, in ms from the utterance's first voiced frame."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """What the caller says in one turn.

    spans: voiced stretches in ms, multiples of 20. misheard: word index → what interims show in its place;
    the final always has the right word. mark: its end mark; could_end: lengths of the prefixes that a recogniser would
    close with it, too. number: 1…32767, carried by the frames.
    """

    number: int
    kind: UtteranceKind
    words: tuple[Word, ...]
    spans: tuple[tuple[int, int], ...]
    misheard: tuple[tuple[int, str], ...] = ()
    mark: str = ""
    could_end: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def shown(self) -> tuple[Word, ...]:
        """The words as interims show them."""
        wrong = dict(self.misheard)
        return tuple(replace(word, text=wrong.get(index, word.text)) for index, word in enumerate(self.words))

    @property
    def length_ms(self) -> int:
        return self.spans[-1][1]

    def voiced(self, offset_ms: int) -> bool:
        return any(start <= offset_ms < end for start, end in self.spans)


def caller_frame(utterance: Utterance, offset_ms: int) -> bytes:
    """The frame of `utterance` that begins `offset_ms` after its onset: tagged if voiced, else silence."""
    if not utterance.voiced(offset_ms):
        return SILENCE
    return _HEADER.pack(CALLER_MAGIC, utterance.number, offset_ms // FRAME_MS, 0) + _TAIL


def read_caller_frame(pcm: bytes | memoryview) -> tuple[int, int] | None:
    """(utterance number, offset in ms) of a voiced caller frame, None for silence."""
    magic, number, frame, _ = _HEADER.unpack_from(pcm)
    return (number, frame * FRAME_MS) if magic == CALLER_MAGIC else None


# ---------------------------------------------------------------- voice activity


class VoiceActivityModel:
    """Counts voiced and silent 20 ms frames."""

    __slots__ = ("silent_ms", "speaking", "voiced_ms")

    def __init__(self) -> None:
        self.speaking = False
        self.voiced_ms = 0
        self.silent_ms = 0

    def frame(self, voiced: bool) -> Literal["start", "end"] | None:
        """Take one frame. A start's onset lies `voiced_ms` back, an end's last voice `silent_ms`."""
        if voiced:
            self.voiced_ms += FRAME_MS
            self.silent_ms = 0
            if not self.speaking and self.voiced_ms >= VAD_START_MS:
                self.speaking = True
                return "start"
            return None
        self.silent_ms += FRAME_MS
        if self.speaking:
            if self.silent_ms >= VAD_END_MS:
                self.speaking = False
                self.voiced_ms = 0
                return "end"
        else:
            self.voiced_ms = 0
        return None


# ---------------------------------------------------------------- recognition


@dataclass(frozen=True, slots=True)
class Heard:
    """A transcript of the words since the last final. `full`: the interim 150 ms after the last voiced frame.

    formatted: of a full interim, the same words with the final's format (what early ends of turn come with).
    first_frame, last_frame: where its speech lies, counted in frames since the recogniser was opened.
    """

    kind: Literal["interim", "final"]
    text: str
    first_frame: int
    last_frame: int
    full: bool = False
    formatted: str = ""


@dataclass(slots=True)
class _Segment:
    utterance: Utterance
    first_word: int
    onset: float
    onset_ms: int
    last_voiced: float
    last_ms: int
    first_frame: int
    last_frame: int
    interims: int = 0
    full_sent: bool = False
    closed: bool = False


class RecogniserModel:
    """Turns tagged frames into transcripts at the fixed latencies. Sans-IO: `frame`, `due`, `next_deadline`.

    A segment is closed by 100 ms of silence and its final comes whether or not the caller has resumed by then.
    """

    def __init__(self, script: dict[int, Utterance]) -> None:
        self._script = script
        self._open: _Segment | None = None
        self._closed: list[_Segment] = []
        self._silent_ms = 0
        self._frame = -1

    def frame(self, pcm: bytes | memoryview, now: float) -> None:
        """Take one 20 ms caller frame handed in at `now`."""
        tag = read_caller_frame(pcm)
        self._frame += 1
        segment = self._open
        if tag is None:
            self._silent_ms += FRAME_MS
            if segment is not None and self._silent_ms >= VAD_END_MS and not segment.closed:
                segment.closed = True
                self._closed.append(segment)
            return
        self._silent_ms = 0
        number, offset = tag
        if segment is None or segment.closed or segment.utterance.number != number:
            if segment is not None and not segment.closed:
                segment.closed = True
                self._closed.append(segment)
            utterance = self._script[number]
            first = next((i for i, word in enumerate(utterance.words) if word.start_ms >= offset), len(utterance.words))
            self._open = _Segment(utterance, first, now, offset, now, offset, self._frame, self._frame)
            return
        segment.last_voiced = now
        segment.last_ms = offset
        segment.last_frame = self._frame

    def next_deadline(self) -> float | None:
        """When `due` should be called next."""
        times = [segment.last_voiced + FINAL_S for segment in self._closed]
        segment = self._open
        if segment is not None and not segment.full_sent:
            times.append(segment.onset + INTERIM_EVERY_S * (segment.interims + 1))
            times.append(segment.last_voiced + FULL_INTERIM_S)
        return min(times, default=None)

    def due(self, now: float) -> list[Heard]:
        """Transcripts whose time has come by `now`."""
        out: list[Heard] = []
        segment = self._open
        if segment is not None and not segment.full_sent:
            while segment.onset + INTERIM_EVERY_S * (segment.interims + 1) <= now:
                segment.interims += 1
                known_ms = segment.onset_ms + (segment.interims * INTERIM_EVERY_S - WORD_LATENESS_S) * 1000
                text = self._text(segment, known_ms, final=False)
                if text and known_ms <= segment.last_ms + FRAME_MS:
                    out.append(Heard("interim", text, segment.first_frame, segment.last_frame))
            if segment.last_voiced + FULL_INTERIM_S <= now:
                segment.full_sent = True
                if text := self._text(segment, segment.last_ms + FRAME_MS, final=False):
                    whole = self._format(segment, text)
                    out.append(Heard("interim", text, segment.first_frame, segment.last_frame, True, whole))
        while self._closed and self._closed[0].last_voiced + FINAL_S <= now:
            done = self._closed.pop(0)
            text = self._text(done, done.last_ms + FRAME_MS, final=True)
            out.append(Heard("final", text, done.first_frame, done.last_frame))
            if self._open is done:
                self._open = None
        return out

    def _text(self, segment: _Segment, known_ms: float, *, final: bool) -> str:
        utterance = segment.utterance
        shown = utterance.words if final else utterance.shown
        last = segment.first_word
        while last < len(shown) and shown[last].end_ms <= known_ms + 0.5:
            last += 1
        text = " ".join(word.text for word in shown[segment.first_word : last])
        return self._format(segment, text) if final and text else text

    @staticmethod
    def _format(segment: _Segment, text: str) -> str:
        """A capital at the start of the utterance, its mark where it is or could be over."""
        utterance = segment.utterance
        last = segment.first_word + len(text.split())
        if segment.first_word == 0:
            text = text[0].upper() + text[1:]
        return text + utterance.mark if last == len(utterance.words) or last in utterance.could_end else text


# ---------------------------------------------------------------- the reply


_SYLLABLES = tuple(c + v for c in "bdfgklmnprstvz" for v in "aeiou")


@dataclass(frozen=True, slots=True)
class Reply:
    """One language model request and its answer. `prompt`: the caller's text it answers, `words`: what it says."""

    number: int
    prompt: str
    words: tuple[str, ...]


@dataclass(slots=True)
class Replies:
    """Every request of one call: replies are functions of their prompt, and each word tells whose it is."""

    length: int = 8
    first: int = FIRST_CLAUSE_WORDS
    made: list[Reply] = field(default_factory=list[Reply])
    _index: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def request(self, prompt: str) -> Reply:
        """Meter a request whose last caller words are `prompt`, and give its reply."""
        words = reply_words(prompt, self.length, self.first)
        reply = Reply(len(self.made) + 1, prompt, words)
        self.made.append(reply)
        for position, word in enumerate(words):
            self._index[plain(word)] = (reply.number, position)
        return reply

    def locate(self, word: str) -> tuple[int, int]:
        """(reply number, word index) of a spoken word; (0, 0) for words no reply has."""
        return self._index.get(plain(word), (0, 0))


def plain(word: str) -> str:
    """A word without case and punctuation, as two texts are compared."""
    return "".join(c for c in word.casefold() if c.isalnum())


def reply_words(prompt: str, length: int, first: int = FIRST_CLAUSE_WORDS) -> tuple[str, ...]:
    """`length` made-up words from a digest of `prompt`: a sentence of `first`, then the rest as one more."""
    words: list[str] = []
    for position in range(length):
        digest = hashlib.blake2s(f"{position} {prompt}".encode(), digest_size=3).digest()
        words.append("".join(_SYLLABLES[byte % len(_SYLLABLES)] for byte in digest))
    words[0] = words[0].capitalize()
    if length > first:
        words[first - 1] += "."
        words[first] = words[first].capitalize()
    words[-1] += "."
    return tuple(words)


def agent_frame(reply: int, word: int, frame: int) -> bytes:
    """20 ms of the agent's voice: frame `frame` of word `word` of reply `reply`."""
    return _HEADER.pack(AGENT_MAGIC, reply & 0x7FFF, word, frame) + _TAIL


def read_agent_frame(pcm: bytes | memoryview) -> tuple[int, int, int] | None:
    """(reply, word, frame) of an untouched agent frame, None for anything else."""
    if len(pcm) < _HEADER.size:
        return None
    magic, reply, word, frame = _HEADER.unpack_from(pcm)
    return (reply, word, frame) if magic == AGENT_MAGIC else None


def is_loud(pcm: bytes | memoryview) -> bool:
    """True unless the frame's peak is at least 20 dB below the agent's voice.

    Looks at one sample in eight, and never at the header: fades and gains keep the order of magnitude.
    """
    samples = memoryview(pcm).cast("B").cast("h") if isinstance(pcm, bytes) else pcm.cast("B").cast("h")
    return any(abs(samples[i]) > QUIET for i in range(8, len(samples), 8))
