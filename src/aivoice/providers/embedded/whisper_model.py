"""Whisper in the inference process: audio of one utterance → text, with how sure the model is.

Two tricks make it quick on short audio. The mel features are padded to the utterance + `PAD_S`, not to 30 s, which is
six times less to encode. And it is asked for timestamps: then it knows where it is in the audio and nearly always stops
at its end, while without them it starts over (measured on 133 prompts at 4 s of padding: 12.6 % instead of 22.6 % word
error rate for base, 14.4 % instead of 32.0 % for tiny.en). What still repeats is judged by `repeats`.
"""

from __future__ import annotations

import importlib
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from aivoice.errors import MissingModelError
from aivoice.providers.embedded.mel import RATE, Float, log_mel
from aivoice.providers.embedded.repeats import believed_copies, period, plain
from aivoice.providers.embedded.weights import WHISPER_BASE, WHISPER_TINY

ctranslate2: Any = importlib.import_module("ctranslate2")  # ships no types
StorageView = Any

PAD_S = 4.0
TOKENS_PER_S = 7
"""Text and timestamps of the quickest talkers. CTranslate2 generates at most half of its `max_length`, as Whisper keeps
the other half of its 448 tokens for the prompt."""
LONGEST_S = 30.0
TIME_STEP_S = 0.02
FRAME_SAMPLES = 320
"""One encoder frame: 20 ms."""

SILENT = 0.6
"""`no_speech` above this together with a mean log probability below `UNSURE` is no speech (openai/whisper's rule)."""
UNSURE = -1.0
PHANTOMS = frozenset({"you", "thank you", "thanks for watching", "bye", "the", ""})
"""What Whisper says to noise; believed only when the model heard speech at all (`no_speech` below `PHANTOM_SILENT`)."""
PHANTOM_SILENT = 0.25

END_MARKS = {".": 0.80, "?": 0.92, "!": 0.92}
"""How probable an end mark must be to be kept. Whisper ends nearly everything with one, also what a pause cut off; how
sure it is of it tells the two apart about as well as a model of prosody does, and costs nothing (ADR 0040)."""


@dataclass(frozen=True, slots=True)
class Heard:
    """text: may be empty. logprob: mean per token. no_speech: probability that there is none."""

    text: str
    logprob: float
    no_speech: float

    @property
    def confidence(self) -> float:
        """0…1: the mean probability of a token."""
        return math.exp(min(0.0, self.logprob)) if self.text else 0.0


class WhisperModel:
    """One model, one copy a machine. `transcribe` may run on several threads at once; CTranslate2 queues them."""

    def __init__(self, folder: Path, *, english_only: bool, workers: int = 1) -> None:
        self._model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", inter_threads=workers, intra_threads=1
        )
        self._tokens = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._english_only = english_only
        self._end = self._token("<|endoftext|>")
        self._first_time = self._token("<|notimestamps|>") + 1
        self._marks = {self._token(mark): least for mark, least in END_MARKS.items()}

    def transcribe(self, pcm: bytes, *, language: str = "en") -> Heard:
        """s16le mono 16 kHz, at most 30 s (the rest is ignored)."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0
        audio_s = min(LONGEST_S, len(samples) / RATE)
        if audio_s < 0.05:
            return Heard("", 0.0, 1.0)
        features = _features(samples)
        prompt = self._prompt(language)
        result = self._model.generate(
            features,
            [prompt],
            beam_size=1,
            max_length=min(448, 2 * (len(prompt) + int(audio_s * TOKENS_PER_S) + 10)),
            return_scores=True,
            return_no_speech_prob=True,
            return_logits_vocab=True,
        )[0]
        made = result.sequences_ids[0]
        kept = self._inside(made, audio_s)
        if kept:
            step = [at for at, index in enumerate(made) if index < self._end][len(kept) - 1]
            kept = without_doubtful_mark(kept, np.asarray(result.logits[0][step], np.float64), self._marks)
        text = self._without_echoes(features, prompt, kept, _voiced_s(samples))
        heard = Heard(text, float(result.scores[0]), float(result.no_speech_prob))
        return Heard("", heard.logprob, heard.no_speech) if _is_noise(heard) else heard

    def _token(self, name: str) -> int:
        found = self._tokens.token_to_id(name)
        if found is None:
            raise MissingModelError(
                f"speech recognition: the tokenizer lacks {name}; reinstall the models: `make setup`"
            )
        return found

    def _prompt(self, language: str) -> list[int]:
        start = [self._token("<|startoftranscript|>")]
        return start if self._english_only else [*start, self._token(f"<|{language}|>"), self._token("<|transcribe|>")]

    def _inside(self, ids: Sequence[int], audio_s: float) -> list[int]:
        """The text tokens up to the first segment that begins where the audio is already over."""
        kept: list[int] = []
        for index in ids:
            if index >= self._first_time:
                if kept and (index - self._first_time) * TIME_STEP_S > audio_s - 0.15:
                    break
            elif index < self._end:
                kept.append(index)
        return kept

    def _without_echoes(self, features: StorageView, prompt: Sequence[int], ids: list[int], voiced_s: float) -> str:
        words = self._words(ids)
        size = period([plain(self._text(ids[first:last])) for first, last in words])
        if not size:
            return self._text(ids)
        frames = features.shape[2] // 2
        aligned = self._model.align(features, list(prompt), [ids], frames)[0].alignments
        begins: dict[int, float] = {}
        for token, frame in aligned:
            begins.setdefault(token, frame * TIME_STEP_S)
        copies = [words[index][0] for index in range(0, len(words), size)]
        share = (len(words) % size or size) / size
        count = believed_copies([begins.get(token, voiced_s) for token in copies], voiced_s, last_share=share)
        return self._text(ids[: words[min(count * size, len(words)) - 1][1]])

    def _words(self, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Token ranges of the words: a word begins with a token that begins with a space."""
        starts = [at for at, token in enumerate(ids) if at == 0 or self._tokens.decode([token]).startswith(" ")]
        return list(zip(starts, [*starts[1:], len(ids)][: len(starts)], strict=True))

    def _text(self, ids: Sequence[int]) -> str:
        return " ".join(self._tokens.decode(list(ids)).split())


def without_doubtful_mark(ids: list[int], logits: Any, marks: Mapping[int, float]) -> list[int]:
    """`ids` without an end mark that the model was not sure of. logits: of the last id, over the vocabulary.

    marks: tokens of end marks, with how probable all of them together must be for that one to stay.
    """
    least = marks.get(ids[-1]) if len(ids) > 1 else None
    if least is None:
        return ids
    odds = np.exp(logits - logits.max())
    return ids if odds[list(marks)].sum() >= least * odds.sum() else ids[:-1]


def _features(samples: Float) -> StorageView:
    seconds = min(LONGEST_S, len(samples) / RATE + PAD_S)
    size = math.ceil(seconds * RATE / FRAME_SAMPLES) * FRAME_SAMPLES
    padded = np.zeros(size, np.float32)
    padded[: min(size, len(samples))] = samples[:size]
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(log_mel(padded)[None]))


def _voiced_s(samples: Float) -> float:
    """Where the last frame within 35 dB of the loudest ends, in s."""
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    power = (frames * frames).mean(axis=1)
    loud = np.flatnonzero(power > power.max(initial=0.0) * 10**-3.5)
    return (int(loud[-1]) + 1) * FRAME_SAMPLES / RATE if loud.size else 0.0


def _is_noise(heard: Heard) -> bool:
    if heard.no_speech > SILENT and heard.logprob < UNSURE:
        return True
    said = " ".join(plain(word) for word in heard.text.split())
    return said in PHANTOMS and heard.no_speech > PHANTOM_SILENT


def load_base(workers: int) -> WhisperModel:
    """Whisper base, int8, from its two packages. MissingModelError.

    The halves are joined in a temporary folder that is gone when the model is loaded. (CTranslate2 can also load from
    memory, but then never gives 250 MB of it back.)
    """
    with tempfile.TemporaryDirectory(prefix="aivoice-whisper-") as name:
        join_base(Path(name))
        return WhisperModel(Path(name), english_only=False, workers=workers)


def join_base(folder: Path) -> None:
    """Whisper base as one model in `folder`, in CTranslate2's format. MissingModelError."""
    halves = [part.path() for part in WHISPER_BASE]
    for side in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copyfile(halves[0].with_name(side), folder / side)
    with open(folder / "model.bin", "wb") as joined:
        for half in halves:
            with open(half, "rb") as part:
                shutil.copyfileobj(part, joined, 1 << 20)


def load_tiny(workers: int) -> WhisperModel:
    """Whisper tiny.en, int8. MissingModelError."""
    return WhisperModel(WHISPER_TINY.path().parent, english_only=True, workers=workers)


def transcribe_job(model: WhisperModel, meta: Mapping[str, Any], blob: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The inference handler of both models: meta ``language``; blob PCM → ``text``, ``confidence``."""
    heard = model.transcribe(blob, language=str(meta.get("language", "en")))
    yield {"text": heard.text, "confidence": round(heard.confidence, 4), "no_speech": round(heard.no_speech, 4)}, b""
