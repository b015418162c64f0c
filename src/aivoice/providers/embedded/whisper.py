"""SpeechToText by Whisper in the inference process: interims while the caller speaks, and a final soon after.

How the final gets soon: when the voice pauses (by energy, ~80 ms), the utterance is decoded at once, before the VAD has
decided. If the VAD then reports the end, that result is the final, and its words were out as an interim before; if the
caller goes on, it was a good interim. Everything here runs in callbacks on the loop: no task, no thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from aivoice.audio.frames import SAMPLE_RATE, AudioChunk
from aivoice.errors import ProviderError
from aivoice.providers.embedded.jobs import FINAL, FINAL_TINY, INTERIM, INTERIM_TINY
from aivoice.providers.embedded.key_terms import KeyTerms
from aivoice.providers.embedded.pcm_buffer import PauseMeter, PcmBuffer
from aivoice.providers.inference import Inference, Priority, Ticket
from aivoice.providers.ports import Transcript

MS = SAMPLE_RATE // 1000
PREROLL = 250 * MS
"""Audio before the reported start that is decoded too: a detector finds the start late."""
TAIL = 200 * MS
BACKLOG = 30 * SAMPLE_RATE
LONGEST = 26 * SAMPLE_RATE
"""A stretch of speech without an end is cut before Whisper's 30 s, at the quietest place of its last `SEAM`."""
SEAM = 6 * SAMPLE_RATE
FIRST_INTERIM = 400 * MS
INTERIM_EVERY = 320 * MS
INTERIM_SHARE = 0.5
"""Share of one core that all interims together may take; with more callers they come less often."""
BASE_INTERIMS = 2
"""Up to so many speaking callers the better model does the interims too."""
SLACK = 30 * MS
REACH = 220 * MS
"""A detector's end may lie so far behind the audio of an eager decoding, if by energy nothing was said since: it counts
the dying away of the last sound as voice, 40–150 ms of it."""
EAGER_APART = 400 * MS
"""An eager decoding gets so long before a later pause replaces it."""
SHORTEST = 60 * MS
FINAL_KEPT = 64


@dataclass(slots=True)
class Pace:
    """How many callers of this process are speaking, and what an interim costs: together they set the cadence."""

    speaking: int = 0
    cost_s: float = 0.1

    def every(self) -> int:
        """Samples between the starts of two interims of one stream."""
        return max(INTERIM_EVERY, int(self.speaking * self.cost_s / INTERIM_SHARE * SAMPLE_RATE))

    def learn(self, run_ms: float) -> None:
        """An interim took so long."""
        self.cost_s += (run_ms / 1e3 - self.cost_s) / 8

    @property
    def job(self) -> str:
        """The model for the next interim."""
        return INTERIM if self.speaking <= BASE_INTERIMS else INTERIM_TINY


class WhisperStt:
    """The provider. One per process; `inference` runs the models. English."""

    name = "whisper"

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._pace = Pace()

    async def open(self, *, language: str = "en", key_terms: Sequence[str] = ()) -> WhisperStream:
        """See `providers.ports.SpeechToText`."""
        return WhisperStream(self._inference, self._pace, language, tuple(key_terms))


@dataclass(slots=True)
class _Piece:
    """A stretch of one utterance being decoded for good. pcm: kept for a second try, until it is done. spelled: its
    text, and that with the business's terms put right."""

    pcm: bytes
    ticket: Ticket
    job: str
    tries: int = 1
    text: str | None = None
    confidence: float = 0.0
    spelled: tuple[str, str] = ("", "")


@dataclass(slots=True)
class _Utterance:
    """From a start of speech to its end. cut: where its last, still growing stretch begins."""

    start: int
    cut: int
    voiced_from: int
    end: int = 0
    pieces: list[_Piece] = field(default_factory=list[_Piece])
    interim: Ticket | None = None
    interim_at: int = 0
    eager: Ticket | None = None
    eager_end: int = 0
    eager_text: tuple[str, float] | None = None
    eager_pcm: bytes = b""


class WhisperStream:
    """One call's recogniser; see `providers.ports.SttStream`."""

    def __init__(self, inference: Inference, pace: Pace, language: str, terms: tuple[str, ...]) -> None:
        self._inference = inference
        self._pace = pace
        self._meta = {"language": language}
        self._terms = KeyTerms(terms)
        self._audio = PcmBuffer(BACKLOG)
        self._meter = PauseMeter()
        self._open: _Utterance | None = None
        self._ended: deque[_Utterance] = deque()
        self._after = 0
        self._out: deque[Transcript] = deque()
        self._error: ProviderError | None = None
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def dropped_samples(self) -> int:
        """Audio lost because more than 30 s of one utterance piled up undecoded."""
        return self._audio.dropped

    # ------------------------------------------------------------ what the session tells

    def push(self, chunk: AudioChunk) -> None:
        """See the port."""
        if self._closed:
            return
        self._audio.push(chunk)
        said = self._open
        if said is None:
            self._audio.forget(chunk.end - 4 * PREROLL)
            return
        self._meter.push(chunk)
        if self._audio.end - said.cut > LONGEST:
            self._cut(said)
        if self._meter.paused:
            self._start_eager(said)
        elif said.interim is None and self._audio.end - said.interim_at >= self._pace.every():
            self._start_interim(said)

    def speech_started(self, position: int) -> None:
        """See the port."""
        if self._closed or self._open is not None:
            return
        start = max(self._after, position - PREROLL)
        self._meter = PauseMeter()
        self._open = _Utterance(start, start, position, interim_at=position + FIRST_INTERIM - self._pace.every())
        self._pace.speaking += 1

    def speech_ended(self, position: int) -> None:
        """See the port."""
        if self._closed:
            return
        if self._open is None:
            self.speech_started(max(self._after, self._audio.start))
        said = self._open
        if said is None:
            return
        self._open = None
        self._pace.speaking -= 1
        said.end = max(position, said.start)
        self._after = said.end
        if said.interim is not None:
            said.interim.cancel()
        self._finish(said)
        self._ended.append(said)
        self._audio.forget(min(said.end, self._audio.end - PREROLL))
        self._advance()

    # ------------------------------------------------------------ what is decoded when

    def _cut(self, said: _Utterance) -> None:
        seam = self._audio.quietest(said.cut + LONGEST - SEAM, self._audio.end, 200 * MS)
        self._decode(said, self._audio.slice(said.cut, seam))
        said.cut = seam
        self._drop_eager(said)
        self._audio.forget(seam)

    def _finish(self, said: _Utterance) -> None:
        """The last stretch: by the eager decoding if it holds all that was voiced, else anew."""
        if said.eager is not None and self._holds_all(said) and said.eager.error is None:
            said.eager.promote(Priority.FINAL)
            piece = _Piece(said.eager_pcm, said.eager, FINAL)
            if said.eager_text is not None:
                piece.text, piece.confidence = said.eager_text
            said.eager = None
            self._follow(said, piece)
            return
        self._drop_eager(said)
        pcm = self._audio.slice(said.cut, min(said.end + TAIL, self._audio.end))
        if said.end - max(said.cut, said.voiced_from) >= SHORTEST and len(pcm) >= 2 * SHORTEST:
            self._decode(said, pcm)

    def _holds_all(self, said: _Utterance) -> bool:
        silent_since = self._meter.loud_end <= said.eager_end
        return said.end <= said.eager_end + (REACH if silent_since else SLACK)

    def _decode(self, said: _Utterance, pcm: bytes) -> None:
        try:
            ticket = self._inference.submit(FINAL, self._meta, pcm, priority=Priority.FINAL)
        except ProviderError as error:
            self._fail(error)
            return
        self._follow(said, _Piece(pcm, ticket, FINAL))

    def _follow(self, said: _Utterance, piece: _Piece) -> None:
        said.pieces.append(piece)
        piece.ticket.changed = lambda: self._on_final(piece)
        if piece.ticket.done or piece.ticket.parts:
            self._on_final(piece)

    def _on_final(self, piece: _Piece) -> None:
        if self._closed:
            return
        if piece.ticket.error is not None:
            self._again(piece, piece.ticket.error)
            return
        _take(piece)
        if piece.ticket.done:
            piece.text = piece.text or ""
            piece.pcm = b""  # speech without an end must not pile up
            self._advance()

    def _again(self, piece: _Piece, error: ProviderError) -> None:
        """A lost process is asked once more when it is back; a failing model is replaced by the small one."""
        if piece.tries > 1:
            self._fail(error)
            return
        piece.tries += 1
        piece.job = FINAL if error.code == "inference_lost" else FINAL_TINY
        try:
            piece.ticket = self._inference.submit(piece.job, self._meta, piece.pcm, priority=Priority.FINAL)
        except ProviderError as again:
            self._fail(again)
            return
        piece.ticket.changed = lambda: self._on_final(piece)

    def _start_eager(self, said: _Utterance) -> None:
        """Once a pause: decode all so far as if it were the end."""
        if said.eager is not None:
            if said.eager_end >= self._meter.loud_end:
                return  # this pause has been decoded, or is being
            if not said.eager.done and self._audio.end - said.eager_end < EAGER_APART:
                return
            self._drop_eager(said)
        if self._audio.end - said.voiced_from < 2 * SHORTEST:
            return
        if said.interim is not None:
            said.interim.cancel()
            said.interim = None
        pcm = self._audio.slice(said.cut, self._audio.end)
        try:
            ticket = self._inference.submit(FINAL, self._meta, pcm, priority=Priority.EAGER)
        except ProviderError:
            return  # the final will say so
        said.eager, said.eager_end, said.eager_text, said.eager_pcm = ticket, self._audio.end, None, pcm
        said.interim_at = self._audio.end
        ticket.changed = lambda: self._on_eager(said, ticket)

    def _on_eager(self, said: _Utterance, ticket: Ticket) -> None:
        if self._open is not said or said.eager is not ticket or ticket.error is not None:
            return
        while ticket.parts:
            meta = ticket.parts.popleft().meta
            said.eager_text = str(meta.get("text", "")), float(meta.get("confidence", 0.0))
            self._interim(said, *said.eager_text, said.eager_end)

    def _drop_eager(self, said: _Utterance) -> None:
        if said.eager is not None:
            said.eager.cancel()
            said.eager = None
            said.eager_text = None

    def _start_interim(self, said: _Utterance) -> None:
        pcm = self._audio.slice(said.cut, self._audio.end)
        end, job, wait_s = self._audio.end, self._pace.job, self._pace.every() / SAMPLE_RATE
        try:
            ticket = self._inference.submit(job, self._meta, pcm, priority=Priority.INTERIM, wait_s=wait_s)
        except ProviderError:
            return
        said.interim, said.interim_at = ticket, end
        ticket.changed = lambda: self._on_interim(said, ticket, end)

    def _on_interim(self, said: _Utterance, ticket: Ticket, end: int) -> None:
        if said.interim is not ticket or self._open is not said:
            return
        while ticket.parts and ticket.error is None:
            meta = ticket.parts.popleft().meta
            self._interim(said, str(meta.get("text", "")), float(meta.get("confidence", 0.0)), end)
        if ticket.done:
            said.interim = None
            if ticket.error is None:
                self._pace.learn(ticket.run_ms)

    # ------------------------------------------------------------ what comes out

    def _interim(self, said: _Utterance, text: str, confidence: float, end: int) -> None:
        before = (self._spelled(piece) for piece in said.pieces)
        whole = " ".join(filter(None, (*before, self._terms.correct(text))))
        if not whole or self._ended:
            return
        if self._out and self._out[-1].kind == "interim":
            self._out.pop()  # nobody has read it: the newer one says it all
        self._emit(Transcript("interim", whole, said.start, end, confidence))

    def _advance(self) -> None:
        """Hand out finals in the order of their utterances."""
        while self._ended and all(piece.text is not None for piece in self._ended[0].pieces):
            said = self._ended.popleft()
            text = " ".join(filter(None, map(self._spelled, said.pieces)))
            confidence = min((piece.confidence for piece in said.pieces if piece.text), default=1.0)
            self._emit(Transcript("final", text, said.start, said.end, confidence))

    def _spelled(self, piece: _Piece) -> str:
        """Put right once: a long utterance shows its finished pieces again with every interim."""
        if piece.text is not None and piece.spelled[0] != piece.text:
            piece.spelled = piece.text, self._terms.correct(piece.text)
        return piece.spelled[1]

    def _emit(self, transcript: Transcript) -> None:
        if len(self._out) >= FINAL_KEPT:
            self._fail(ProviderError("nobody reads the transcripts", code="stt_unread", stage="stt"))
            return
        self._out.append(transcript)
        self._wake()

    def _fail(self, error: ProviderError) -> None:
        if self._error is None:
            self._error = ProviderError(str(error), code=error.code, stage="stt")
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        while not self._closed:
            while self._out:
                yield self._out.popleft()
                if self._closed:
                    return
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def aclose(self) -> None:
        """See the port. Decoding that has begun ends in the inference process; nobody waits for it."""
        if self._closed:
            return
        self._closed = True
        if self._open is not None:
            self._pace.speaking -= 1
            self._ended.append(self._open)
            self._open = None
        for said in self._ended:
            for ticket in (said.interim, said.eager, *(piece.ticket for piece in said.pieces)):
                if ticket is not None:
                    ticket.cancel()
        self._ended.clear()
        self._out.clear()
        self._wake()


def _take(piece: _Piece) -> None:
    while piece.ticket.parts:
        meta = piece.ticket.parts.popleft().meta
        piece.text, piece.confidence = str(meta.get("text", "")), float(meta.get("confidence", 0.0))
