"""Real human speech with transcripts, for benchmarks and tests: fetched when needed, never committed.

Debian's ``pocketsphinx-testdata`` (LibriVox sentences, public domain) and ``asterisk-core-sounds-en-wav`` (studio
prompts by one speaker, CC-BY-SA-3.0), downloaded with apt-get and unpacked with dpkg, neither of which needs root.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from num2words import num2words

from aivoice.audio.resample import resample

PACKAGES = ("pocketsphinx-testdata", "asterisk-core-sounds-en-wav", "asterisk-core-sounds-en")
RATE = 16_000
Float = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Clip:
    """pcm: s16le 16 kHz, of telephone bandwidth (8 kHz, mu-law). held_out: not one of those settings were tuned on."""

    name: str
    text: str
    pcm: bytes
    held_out: bool

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / RATE


def fetch() -> tuple[Path | None, str]:
    """The folder with the unpacked packages, or None and the reason in one line."""
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "aivoice" / "human-speech"
    if (root / "done").exists():
        return root, ""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None, "no apt-get here: the human speech cannot be fetched"
    debs = root / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    got = subprocess.run(["apt-get", "download", *PACKAGES], cwd=debs, capture_output=True, text=True, check=False)
    if got.returncode:
        return None, f"apt-get download failed ({(got.stderr.strip().splitlines() or ['?'])[-1]}); try apt-get update"
    for deb in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(deb), str(root)], check=True)
    (root / "done").touch()
    return root, ""


def clips(root: Path) -> list[Clip]:
    """All with a transcript, in a fixed order."""
    found: list[Clip] = []
    sounds = root / "usr/share/asterisk/sounds/en_US_f_Allison"
    listing = root / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
    with gzip.open(listing, "rt") as lines:
        for line in lines:
            name, _, text = line.partition(":")
            path = sounds / f"{name}.wav"
            if not line.startswith(";") and "[" not in text and text.strip() and path.exists():
                found.append(_clip(name, text.strip(), path))
    data = root / "usr/share/pocketsphinx/test/data"
    for group, listing_name in (("librivox", "transcription"), ("cards", "cards.transcription")):
        lines_of = (data / group / listing_name).read_text()
        for match in re.finditer(r"^<s> (.*) </s> \((.*)\)$", lines_of, re.M):
            found.append(_clip(match[2], match[1].strip(), data / group / f"{match[2]}.wav"))  # noqa: PERF401
    return [clip for clip in found if 0.4 < clip.seconds < 25 and not clip.name.startswith("silence/")]


def _clip(name: str, text: str, path: Path) -> Clip:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        samples = telephone(resample(samples, file.getframerate(), RATE))
    held_out = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 == 1
    return Clip(name, text, to_pcm(samples), held_out)


def telephone(samples: Float) -> Float:
    """16 kHz → 8 kHz mu-law → 16 kHz (G.711's law in its continuous form)."""
    narrow = np.clip(resample(samples, RATE, 8_000), -1, 1)
    code = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256) * 127) / 127
    decoded = np.sign(code) * (256 ** np.abs(code) - 1) / 255
    return resample(decoded.astype(np.float32), 8_000, RATE)


def to_pcm(samples: Float) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def words(text: str) -> list[str]:
    """As compared: lower case, numbers spelled out, no punctuation."""
    text = text.lower().replace("%", " percent ").replace("$", " dollars ")
    text = re.sub(r"\d+(st|nd|rd|th)\b", lambda m: f" {num2words(int(m[0][:-2]), to='ordinal')} ", text)
    text = re.sub(r"\d+", _spell, text)
    text = re.sub(r"\bok\b", "okay", re.sub(r"\bmister\b", "mr", text)).replace("'", "").replace("-", " ")
    return re.sub(r"[^a-z ]", " ", text.replace("voice mail", "voicemail")).split()


def _spell(match: re.Match[str]) -> str:
    digits = match[0]
    return " " + (num2words(int(digits)) if len(digits) <= 2 else " ".join(num2words(int(d)) for d in digits)) + " "


def word_errors(reference: list[str], got: list[str]) -> int:
    """Levenshtein distance in words."""
    row = list(range(len(got) + 1))
    for i, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, word in enumerate(got, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (wanted != word))
    return row[-1]


def voiced_range(pcm: bytes) -> tuple[int, int]:
    """From the first to just past the last 10 ms frame within 35 dB of the loudest: the truth a VAD is held to."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    power = (frames * frames).mean(axis=1)
    loud = np.flatnonzero(power > max(power.max() * 10**-3.5, 1.0))
    return int(loud[0]) * 160, (int(loud[-1]) + 1) * 160


def _levels(pcm: bytes) -> Float:
    """dB of each 10 ms frame."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    return (10 * np.log10((frames * frames).mean(axis=1) + 1)).astype(np.float32)


def silences(pcm: bytes, least_ms: int) -> list[tuple[int, int]]:
    """Stretches inside the voiced range (samples) that stay 33 dB below the loudest frame for `least_ms` or longer."""
    levels = _levels(pcm)
    first, last = voiced_range(pcm)
    quiet = levels < levels.max() - 33
    found: list[tuple[int, int]] = []
    start: int | None = None
    for frame in range(first // 160, last // 160):
        if quiet[frame]:
            start = frame if start is None else start
        elif start is not None:
            if (frame - start) * 10 >= least_ms:
                found.append((start * 160, frame * 160))
            start = None
    return found


def quietest(pcm: bytes) -> int:
    """The sample in the middle of the quietest 60 ms between 35 and 80 % of the voiced range."""
    levels = _levels(pcm)
    first, last = (edge // 160 for edge in voiced_range(pcm))
    low, high = first + (last - first) * 35 // 100, first + (last - first) * 80 // 100
    smooth = np.convolve(levels, np.ones(6) / 6, "same")
    return (low + int(np.argmin(smooth[low:high]))) * 160
