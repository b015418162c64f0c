"""What the process of its own runs: one model of the operator's, for finals and interims alike.

The `faster-whisper` package opens the folder (device, type of numbers, tokenizer, mel bands of large-v3 and turbo); the
decoding is the embedded recogniser's (`embedded.whisper_model`), for two reasons measured with Whisper base, int8, on one
core and 46 clips of human telephone speech. The package's `transcribe` always encodes 30 s: 1,050 ms at the median for
word error rate 3.8 %; padded to the utterance + 4 s it takes 210 ms for 4.1 %. And what starts over is cut by the times
of the words, not by how well the text compresses.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from functools import partial
from typing import Any

import numpy as np

from aivoice.errors import InputError
from aivoice.providers.embedded.jobs import FINAL, FINAL_TINY, INTERIM, INTERIM_TINY
from aivoice.providers.embedded.repeats import plain
from aivoice.providers.embedded.whisper_model import PAD_S, TOKENS_PER_S, Decoding, Heard, Sound, WhisperModel
from aivoice.providers.inference.server import Handler

SILENT = 0.4
"""In 46 clips of human speech `no_speech` was at most 0.15; where words came of 32 noises it was 0.5 and more, mostly
below openai/whisper's 0.6. Together with the low probability of such words this takes all of them."""
TOKENS_PER_S_ELSEWHERE = 14
"""Of languages that Whisper's vocabulary knows less well than English."""
GPU_PAD_S = 30.0
"""A GPU encodes Whisper's whole window in little more time; what the model was trained on is then the safer choice."""
MOST_HINT_TOKENS = 100
ALIKE = 0.6
"""How much of the words (difflib's ratio) must be the same with key terms in the prompt as without, to be believed."""


def load(progress: Callable[[str], None], options: Mapping[str, Any]) -> dict[str, Handler]:
    """options: ``folder``, ``device``, ``compute_type``, ``beam``, ``workers``, ``threads``, ``pad_s``, ``hint``.

    ``auto`` goes on with the processor where a GPU is there but cannot be used (CUDA's libraries are missing).
    """
    logging.getLogger("faster_whisper").setLevel(logging.ERROR)
    progress("loading Whisper")
    try:
        ear = _open(str(options["device"]), options)
    except RuntimeError:
        if options["device"] != "auto":
            raise
        progress("loading Whisper on the processor")
        ear = _open("cpu", options)
    final: Handler = partial(_job, ear, None)
    interim: Handler = partial(_job, ear, 1)
    return {FINAL: final, FINAL_TINY: final, INTERIM: interim, INTERIM_TINY: interim}


def _open(device: str, options: Mapping[str, Any]) -> Ear:
    package: Any = importlib.import_module("faster_whisper")  # ships no types
    opened: Any = package.WhisperModel(
        str(options["folder"]),
        device=device,
        compute_type=str(options["compute_type"]),
        num_workers=int(options["workers"]),
        cpu_threads=int(options["threads"]),
        local_files_only=True,
    )
    pad_s = options.get("pad_s")
    if pad_s is None:
        pad_s = PAD_S if opened.model.device == "cpu" else GPU_PAD_S
    decoding = Decoding(
        beam=int(options["beam"]),
        pad_s=float(pad_s),
        silent=SILENT,
        log_mel=partial(_log_mel, opened.feature_extractor),
    )
    ear = Ear(opened.model, opened.hf_tokenizer, english_only=not opened.model.is_multilingual, decoding=decoding)
    ear.hear(bytes(16_000), "en", ("warm",), None)  # the first run allocates, and finds out whether a GPU works
    return ear


def _log_mel(extractor: Any, samples: Any) -> Any:
    """(bands, samples / 160). `padding=0`: the samples are padded already."""
    return np.asarray(extractor(samples, padding=0), np.float32)


class Ear(WhisperModel):
    """The embedded recogniser's decoding on a model of any size and language, with key terms where they are wanted."""

    def hear(self, pcm: bytes, language: str, terms: Sequence[str], beam: int | None) -> Heard:
        """As `transcribe`, on threads. terms: given to the model as what came before, which makes it favour them.

        They also make it say them: Whisper base then heard terms in 32 of 32 noises. So the audio is decoded without
        them too (it is encoded once), and they are believed only where they change few words.
        """
        if not self._english_only and self._tokens.token_to_id(f"<|{language}|>") is None:
            raise InputError("the Whisper model does not know the call's language", code="rejected", stage="stt")
        sound = self._sound(pcm, TOKENS_PER_S if language == "en" else TOKENS_PER_S_ELSEWHERE)
        if sound is None:
            return Heard("", 0.0, 1.0)
        prompt = self._prompt(language)
        if not terms:
            return self._decode(sound, prompt, beam=beam)
        encoded = Sound(sound.samples, self._model.encode(sound.features), sound.frames, sound.audio_s, sound.tokens)
        heard = self._decode(encoded, prompt, beam=beam)
        if not heard.text:
            return heard
        hinted = self._decode(encoded, prompt, before=self._hint(terms), beam=beam)
        return hinted if alike(heard.text, hinted.text) else heard

    def _hint(self, terms: Sequence[str]) -> list[int]:
        ids: list[int] = self._tokens.encode(" " + ", ".join(terms), add_special_tokens=False).ids
        return [self._token("<|startofprev|>"), *ids[:MOST_HINT_TOKENS]]


def alike(one: str, other: str) -> bool:
    """Whether two hearings of one sound differ in few words only."""
    words, others = ([plain(word) for word in text.split()] for text in (one, other))
    letters = SequenceMatcher(None, "".join(words), "".join(others), autojunk=False).ratio()
    return letters >= ALIKE and abs(len(words) - len(others)) <= 2


def _job(ear: Ear, beam: int | None, meta: Mapping[str, Any], blob: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """meta ``language``, ``terms``; blob PCM → ``text``, ``confidence``, ``no_speech``. beam: None for the model's own;
    interims have one hypothesis and no terms in their prompt."""
    terms = [str(term) for term in meta.get("terms", ())] if beam is None else []
    heard = ear.hear(blob, str(meta.get("language", "en")), terms, beam)
    yield {"text": heard.text, "confidence": round(heard.confidence, 4), "no_speech": round(heard.no_speech, 4)}, b""
