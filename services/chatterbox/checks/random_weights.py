"""The adapter against the real `chatterbox-tts` package with random weights, on a CPU: do the calls fit, are lengths,
tokens, joins and watermark right. Says nothing of how it sounds, and nothing of speed.

    pip install 'services/chatterbox[gpu]' && python services/chatterbox/checks/random_weights.py

About a minute and 4 GB of memory. Ends with 1 at the first thing that is not as it should be.
"""

from __future__ import annotations

import math
import os
import struct
import tempfile
import threading
import time
import wave
from pathlib import Path
from typing import Any

os.environ["TQDM_DISABLE"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from chatterbox.models.s3gen import S3Gen
from chatterbox.models.t3 import T3
from chatterbox.models.t3.modules.t3_config import T3Config
from chatterbox.models.voice_encoder import VoiceEncoder
from chatterbox.tts_turbo import ChatterboxTurboTTS, punc_norm

from aivoice_chatterbox import stretches
from aivoice_chatterbox.chatterbox import ChatterboxModel

TEXT = "Hello there [laugh], good morning."
TOKENS = 60


class Tokenizer:
    """Any ids will do."""

    pad_token = "x"

    def __call__(self, text: str, **_: Any) -> Any:
        return type("Encoded", (), {"input_ids": torch.tensor([[ord(char) % 500 + 5 for char in text]])})


def turbo() -> ChatterboxTurboTTS:
    """As `ChatterboxTurboTTS.from_local` builds it, without the weights."""
    torch.manual_seed(0)
    config = T3Config(text_tokens_dict_size=50_276)
    config.llama_config_name, config.speech_tokens_dict_size = "GPT2_medium", 6_563
    config.input_pos_emb, config.speech_cond_prompt_len = None, 375
    config.use_perceiver_resampler = config.emotion_adv = False
    t3 = T3(config)
    del t3.tfmr.wte
    return ChatterboxTurboTTS(t3.eval(), S3Gen(meanflow=True).eval(), VoiceEncoder().eval(), Tokenizer(), "cpu")


def clip(folder: str) -> Path:
    path = Path(folder) / "clip.wav"
    tone = (int(9_000 * math.sin(at * 0.045) * (1 + 0.4 * math.sin(at * 8e-4))) for at in range(8 * 24_000))
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(24_000)
        writer.writeframes(b"".join(struct.pack("<h", sample) for sample in tone))
    return path


def say(what: str, good: bool) -> None:
    print(f"{'ok' if good else 'NO':3} {what}", flush=True)  # noqa: T201 - a command
    if not good:
        raise SystemExit(1)


def main() -> None:
    tts = turbo()
    whole, streamed = ChatterboxModel(device="cpu"), ChatterboxModel(device="cpu", streaming=True)
    whole.adopt(tts)
    streamed.adopt(tts)
    with tempfile.TemporaryDirectory() as folder:
        voice = whole.prepare(clip(folder))
    say("a clip becomes a voice", voice is not None)

    original = tts.t3.inference_turbo  # random weights never end a sentence
    tts.t3.inference_turbo = lambda **more: original(**more, max_gen_len=TOKENS - 1)
    made = whole.step([whole.begin(TEXT, voice)])[0]
    say("a piece made whole is as long as its tokens", made.last and abs(len(made.pcm) / 2 / 960 - TOKENS - 3) <= 1)
    tts.t3.inference_turbo = original

    threading.Timer(1.0, whole.stop).start()
    started = time.monotonic()
    made = whole.step([whole.begin(TEXT, voice)])[0]
    say("stop ends a step", made.last and not made.pcm and time.monotonic() - started < 20)

    whole._stop.clear()  # both models of this check watch one and the same decoder
    torch.manual_seed(5)
    ids = tts.tokenizer(punc_norm(TEXT)).input_ids
    wanted = original(t3_cond=voice.t3, text_tokens=ids, max_gen_len=TOKENS - 1)
    torch.manual_seed(5)
    tokens = stretches.Tokens(tts, punc_norm(TEXT), voice.t3, 0.8)
    while len(tokens._all) < TOKENS and tokens.more():
        pass
    say("its tokens are the package's for the same seed", torch.equal(wanted, torch.cat(tokens._all, dim=1)))

    stretches._MOST = TOKENS - 1
    parts: list[np.ndarray] = []
    utterance = streamed.begin(TEXT, voice)
    while True:
        made = streamed.step([utterance])[0]
        parts.append(np.frombuffer(made.pcm, "<i2"))
        if made.last:
            break
    sound = np.concatenate(parts)
    steps = np.abs(np.diff(sound.astype(np.int32)))
    joins = [int(steps[at - 1]) for at in np.cumsum([len(part) for part in parts])[:-1]]
    say(f"it comes in stretches ({', '.join(f'{len(part) / 24_000:.2f} s' for part in parts)})", len(parts) >= 3)
    say("together they are as long as the tokens", abs(len(sound) / 960 - TOKENS - 3) <= 1)
    say("no join is louder than the sound itself", max(joins) <= np.percentile(steps, 99))
    mark = tts.watermarker.get_watermark(sound.astype(np.float32) / 32_768, sample_rate=24_000)
    say("the watermark is found in what was put together", float(mark) == 1.0)

    stretches._MOST = 20
    first, second = (streamed.begin(text, voice) for text in (TEXT, "Something else entirely."))
    lengths = [len(streamed.step([each])[0].pcm) for each in (first, second, first, second)]
    say("two calls take turns", lengths[0] == lengths[1] > 0 and lengths[2] == lengths[3] > 0)


if __name__ == "__main__":
    main()
