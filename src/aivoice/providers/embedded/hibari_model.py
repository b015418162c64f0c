"""hibari in the inference process: a clause → 16 kHz PCM at the product's loudness, and where each word begins.

Word times are the model's own: the network computes how many frames each phoneme lasts, and `with_output` lets us see
it. hibari's public API hides them.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from aivoice.audio.resample import resample
from aivoice.providers.embedded.onnx_session import open_session, with_output
from aivoice.providers.embedded.weights import HIBARI

Float = npt.NDArray[np.float32]

MODEL_RATE = 24_000
DURATIONS = "/Clip_output_0"
"""Inner tensor of hibari 0.2.1's network: frames of `FRAME` samples each phoneme lasts."""
FRAME = 600
MOST_PHONEMES = 400
CEILING = 0.89
"""Peaks are bent to stay below −1 dBFS."""
EDGE = 0.004
"""Level (of full scale) from which a sample counts as sound when the edges are trimmed: −48 dBFS."""
LEVEL = 0.127
"""Speech level (`_level`) that every clause is brought to: −20 LUFS, measured with BS.1770 on ten clauses a voice."""
GAINS = (1.7, 4.0)
"""Bounds of the gain: a clause that is a whisper or a shout by nature stays a little of it."""
LEAD = SAMPLE_RATE * 10 // 1000
TAILS_MS = {".": 220, "?": 220, "!": 220, ";": 160, ":": 160, ",": 120, "—": 160}
"""Silence kept after the last sound, by the clause's last character: the pause that a listener expects there."""
TAIL_MS = 60


PLAIN = re.compile(r"[^\W\d_]*(?:[\s.,;:!?'’\"“”()—…-]+[^\W\d_]*)*")
"""Text as our own normalisation leaves it. It is not given to hibari's, which reads "No." as "number"."""


@dataclass(frozen=True, slots=True)
class Voice:
    """pitch: factor on pitch and formants (resampling). speed: factor on tempo after that."""

    pitch: float
    speed: float


VOICES: Mapping[str, Voice] = {
    "heart": Voice(pitch=1.0, speed=1.0),
    "low": Voice(pitch=0.8, speed=1.05),
    "high": Voice(pitch=1.12, speed=1.05),
}
"""One recorded voice; ``low`` and ``high`` are it with another vocal tract, and read as other speakers."""
DEFAULT = "heart"


# hibari reads every "A" before a word as the article; text normalised for speech writes it only as a letter's name.
_LETTER_A = re.compile(r"(?<=\b[B-HJ-Z] )A\b|\bA(?= [A-Z]\b)|\bA(?= (?:dot|at|underscore|dash)\b)")


@dataclass(frozen=True, slots=True)
class Phrase:
    """What the network sees at once. phonemes: its text. starts: (word, index of its first phoneme), rising."""

    phonemes: str
    starts: tuple[tuple[int, int], ...]


class HibariModel:
    """One copy a machine; `speak` may run on several threads at once."""

    def __init__(self) -> None:
        path = HIBARI.path()
        hibari = _import_hibari()
        self._synth: Any = importlib.import_module("hibari.dsp").synth
        self._normalise: Any = importlib.import_module("hibari.g2p.normalize").normalize
        self._engine: Any = hibari.Hibari()
        self._engine.sess = None  # ours shows the durations too
        self._g2p: Any = self._engine.g2p
        self._session = open_session(with_output(path.read_bytes(), DURATIONS))

    def speak(self, text: str, voice_name: str = DEFAULT) -> Iterator[tuple[bytes, list[tuple[int, int]]]]:
        """Pieces of speech in order: s16le PCM, and marks (word of `text` split at white space, sample in the stream).

        The first piece begins with sound (after 10 ms), the last ends with the pause its punctuation asks for.
        The same text gives the same samples. Text without anything to say gives nothing.
        """
        voice = VOICES.get(voice_name, VOICES[DEFAULT])
        phrases = self._phrases(text)
        done = 0
        for number, phrase in enumerate(phrases):
            samples, starts = self._render(phrase, voice)
            first, last = _edges(samples)
            if first >= last:
                continue
            begin = max(0, first - LEAD) if done == 0 else max(0, first - SAMPLE_RATE // 10)
            end = min(len(samples), last + _tail(text if number == len(phrases) - 1 else "."))
            pcm = _to_pcm(samples[begin:end] * _gain(samples))
            marks = [(word, done + min(max(0, at - begin), end - begin - 1)) for word, at in starts]
            yield pcm, marks
            done += end - begin

    def _phrases(self, text: str) -> list[Phrase]:
        phrases: list[Phrase] = []
        offset = 0
        text = _LETTER_A.sub("eigh", text)
        for sentence in self._engine.split_sentences(text):
            count = len(sentence.split())
            phrases += self._sentence(sentence, offset, count)
            offset += count
        return phrases

    def _sentence(self, sentence: str, offset: int, count: int) -> list[Phrase]:
        """Phonemes word by word. Where the model's own normaliser made more or fewer words, they map in proportion."""
        readable = sentence if PLAIN.fullmatch(sentence) else self._normalise(sentence)
        tokens: list[Any] = self._g2p.phonemize_tokens(self._g2p.tokenize(readable))
        words = [""]
        for token in tokens:
            words[-1] += token.phonemes or ""
            if token.whitespace:
                words.append("")
        words = [word.strip() for word in words]
        total = len(words)
        phrases: list[Phrase] = []
        phonemes, starts, seen = "", list[tuple[int, int]](), -1
        for index, word in enumerate(words):
            if not word:
                continue
            if phonemes and len(phonemes) + len(word) + 1 > MOST_PHONEMES:
                phrases.append(Phrase(phonemes, tuple(starts)))
                phonemes, starts = "", []
            phonemes += " " if phonemes else ""
            source = offset + min(count - 1, index * count // total)
            if source > seen:
                starts.append((source, len(phonemes)))
                seen = source
            phonemes += word
        if phonemes:
            phrases.append(Phrase(phonemes, tuple(starts)))
        return phrases

    def _render(self, phrase: Phrase, voice: Voice) -> tuple[Float, list[tuple[int, int]]]:
        """16 kHz samples of the phrase, untrimmed, and the sample at which each of its words begins."""
        vocabulary: Mapping[str, int] = self._engine.vocab
        kept = [index for index, char in enumerate(phrase.phonemes) if char in vocabulary]
        ids = [0, *(vocabulary[phrase.phonemes[index]] for index in kept), 0]
        speed = np.asarray([voice.speed / voice.pitch], np.float32)
        outputs: list[Any] = self._session.run(None, {"ids": np.asarray([ids], np.int64), "speed": speed})
        durations = np.ravel(outputs[6])
        wave: Float = self._synth(*(output[0] for output in outputs[:6]), np.random.default_rng(0))
        rate = MODEL_RATE * voice.pitch
        samples = resample(wave, round(rate), SAMPLE_RATE)
        ends = np.cumsum(durations) * FRAME * SAMPLE_RATE / rate  # of the padding, then of each phoneme
        at = {index: round(float(ends[place])) for place, index in enumerate(kept)}
        starts = [(word, at[min((i for i in kept if i >= first), default=kept[-1])]) for word, first in phrase.starts]
        return samples, starts


def _import_hibari() -> Any:
    """Without letting it see scipy.fft: NumPy 2 is as quick at float32 (28 against 26 ms for 4.9 s of speech), and
    scipy's import takes a second of start-up."""
    if "scipy.fft" in sys.modules:
        return importlib.import_module("hibari")
    hidden: dict[str, Any] = {"scipy.fft": None}
    sys.modules.update(hidden)
    try:
        return importlib.import_module("hibari")
    finally:
        del sys.modules["scipy.fft"]


def _edges(samples: Float) -> tuple[int, int]:
    """First and one past the last sample that can be heard; (0, 0) for silence."""
    loud = np.flatnonzero(np.abs(samples) > EDGE)
    return (int(loud[0]), int(loud[-1]) + 1) if loud.size else (0, 0)


def _tail(text: str) -> int:
    return TAILS_MS.get(text.rstrip("\"')”’ ")[-1:], TAIL_MS) * SAMPLE_RATE // 1000


def _gain(samples: Float) -> float:
    """Factor to `LEVEL`: the mean power of the 20 ms frames within 20 dB of the loudest one."""
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    power = (frames * frames).mean(axis=1)
    if not power.size or power.max() <= 0:
        return 1.0
    level = float(np.sqrt(power[power > power.max() / 100].mean()))
    return min(max(LEVEL / level, GAINS[0]), GAINS[1])


def _to_pcm(samples: Float) -> bytes:
    """Float → s16le. Above half of the ceiling, peaks are bent smoothly instead of cut."""
    knee = CEILING / 2
    size = np.abs(samples)
    over = size > knee
    if over.any():
        bent = knee + (CEILING - knee) * np.tanh((size[over] - knee) / (CEILING - knee))
        samples = samples.copy()
        samples[over] = np.sign(samples[over]) * bent
    return (samples * 32767.0).astype("<i2").tobytes()


def speak_job(model: HibariModel, meta: Mapping[str, Any], _blob: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The inference handler: meta ``text``, ``voice`` → parts with ``marks`` [[word, sample], …] and PCM."""
    for pcm, marks in model.speak(str(meta.get("text", "")), str(meta.get("voice", DEFAULT))):
        yield {"marks": marks}, pcm
