"""Audio inside a piece as its tokens come: `ChatterboxTurboTTS.generate` of `chatterbox-tts` 0.1.7, taken apart.

The package makes a piece whole: all speech tokens (25 a second of audio), then their spectrogram, then the sound. Here
the same functions are called for the tokens so far, again and again: the spectrogram's encoder looks three tokens
ahead, so those are left out (the package's ``finalize=False``, meant for this, raises); its noise is kept; the
vocoder's source is kept, as CosyVoice does, where the code comes from; and the last 120 ms of each stretch are held
back and blended into the next.

Run with random weights on a CPU: the tokens are those of the package for the same seed, lengths and joins are right.
How it sounds with real weights nobody has heard; that is why it is off unless asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

FIRST = 15
"""Tokens before the first sound: 0.36 s of it."""
LATER = 25
_MOST = 1_000
"""Tokens of one piece, as in the package."""
_LOOKAHEAD = 3
_FRAMES = 2
"""Frames of the spectrogram a token makes."""
FRAME = 480
"""Samples of a frame."""
HOLD = 6 * FRAME
"""Samples held back: so near its end the vocoder does not know yet how the sound goes on."""
_BLEND = FRAME
_VOICED = 6_561
"""Tokens from here on make no sound."""


def stretches(tts: Any, text: str, conditionals: Any, temperature: float) -> Iterator[tuple[Floats, bool]]:
    """Samples of -1…1 and whether they are the last. Every step raises what the model raises."""
    turbo = importlib.import_module("chatterbox.tts_turbo")
    tokens = Tokens(tts, turbo.punc_norm(text), conditionals.t3, temperature)
    sound = _Sound(tts, conditionals.gen, turbo.S3GEN_SIL)
    wanted = FIRST
    while tokens.more():
        if len(tokens.voiced) >= wanted:
            yield sound.next(tokens.voiced, last=False), False
            wanted = len(tokens.voiced) + LATER
    yield sound.next(tokens.voiced, last=True), True


class Tokens:
    """The speech tokens of one piece, one by one: the loop of ``T3.inference_turbo``. voiced: those that sound."""

    def __init__(self, tts: Any, text: str, condition: Any, temperature: float) -> None:
        self._torch: Any = importlib.import_module("torch")
        self._t3 = tts.t3
        self._processors = _processors(temperature)
        self._all: list[Any] = []
        self.voiced: list[int] = []
        with self._torch.inference_mode():
            ids = tts.tokenizer(text, return_tensors="pt", padding=True, truncation=True).input_ids.to(tts.device)
            start = self._t3.hp.start_speech_token * self._torch.ones_like(ids[:, :1])
            embeds, _ = self._t3.prepare_input_embeds(
                t3_cond=condition, text_tokens=ids, speech_tokens=start, cfg_weight=0.0
            )
            self._inputs: Any = embeds
            self._past: Any = None
            self._history: Any = start

    def more(self) -> bool:
        """One token more; False: the piece is complete."""
        torch = self._torch
        if len(self._all) > _MOST:
            return False
        with torch.inference_mode():
            out = self._t3.tfmr(inputs_embeds=self._inputs, past_key_values=self._past, use_cache=True)
            self._past = out.past_key_values
            logits = self._processors(self._history, self._t3.speech_head(out[0][:, -1:])[:, -1, :])
            if bool(torch.all(logits == -float("inf"))):
                return False
            token = torch.multinomial(torch.softmax(logits, dim=-1), num_samples=1)
            self._all.append(token)
            self._history = torch.cat(self._all, dim=1)
            self._inputs = self._t3.speech_emb(token)
        number = int(token)
        if number == self._t3.hp.stop_speech_token:
            return False
        if number < _VOICED:
            self.voiced.append(number)
        return True


def _processors(temperature: float) -> Any:
    """As `generate` sets them up by default."""
    transformers: Any = importlib.import_module("transformers.generation.logits_process")
    processors = transformers.LogitsProcessorList()
    if temperature > 0 and temperature != 1.0:
        processors.append(transformers.TemperatureLogitsWarper(temperature))
    processors.append(transformers.TopKLogitsWarper(1_000))
    processors.append(transformers.TopPLogitsWarper(0.95))
    processors.append(transformers.RepetitionPenaltyLogitsProcessor(1.2))
    return processors


class _Sound:
    """Tokens so far → the samples that were not given yet."""

    def __init__(self, tts: Any, reference: Any, silence: int) -> None:
        self._torch: Any = importlib.import_module("torch")
        self._to_mel: Any = importlib.import_module("chatterbox.models.s3gen.s3gen").S3Token2Mel.forward
        self._tts, self._gen, self._reference, self._silence = tts, tts.s3gen, reference, silence
        self._noise: Any = None
        self._source: Any = None
        self._given = 0
        self._held: Floats = np.zeros(0, np.float32)

    def next(self, tokens: list[int], *, last: bool) -> Floats:
        if not tokens and last:
            return self._held
        whole = self._whole(tokens + [self._silence] * 3 * last, last=last)
        if not self._given:
            fade = self._gen.trim_fade.cpu().numpy()
            whole[: len(fade)] *= fade[: len(whole)]
        end = len(whole) if last else max(self._given, len(whole) - HOLD)
        fresh = whole[self._given : end].copy()
        blend = min(_BLEND, len(fresh), len(self._held))
        if blend:
            rising = np.linspace(0.0, 1.0, blend, dtype=np.float32)
            fresh[:blend] = fresh[:blend] * rising + self._held[:blend] * (1 - rising)
        self._held = whole[end:].copy()
        self._given = end
        if not len(fresh):
            return fresh
        marked: Any = self._tts.watermarker.apply_watermark(fresh, sample_rate=self._tts.sr)
        return np.asarray(marked, dtype=np.float32)

    def _whole(self, tokens: list[int], *, last: bool) -> Floats:
        """The sound of all tokens; with `last` to their end, else to the lookahead before it."""
        torch, gen = self._torch, self._gen
        frames = self._reference["prompt_feat"].shape[1] + _FRAMES * len(tokens)
        with torch.inference_mode():
            if self._noise is None or self._noise.shape[2] < frames:
                more = torch.randn(1, 80, frames + _FRAMES * 100, dtype=gen.dtype, device=gen.device)
                if self._noise is not None:
                    more[:, :, : self._noise.shape[2]] = self._noise
                self._noise = more
            mel = self._to_mel(
                gen,
                torch.tensor([tokens], dtype=torch.long, device=gen.device),
                None,
                None,
                self._reference,
                2,
                True,
                None,
                self._noise[:, :, :frames],
            )
            if not last:
                mel = mel[:, :, : -_FRAMES * _LOOKAHEAD]
            source = self._source if self._source is not None else torch.zeros(1, 1, 0, device=gen.device)
            wav, self._source = gen.mel2wav.inference(speech_feat=mel.to(gen.dtype), cache_source=source)
            sound: Floats = wav.squeeze(0).float().cpu().numpy().copy()
        return sound
