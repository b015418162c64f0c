"""Voices by id: a reference clip each, on a volume that outlives the container."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import wave
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aivoice_chatterbox.clip import Clip

DEFAULT = "default"
"""The model's own voice; there is no clip of it and it can be neither replaced nor removed."""
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
MOST_VOICES = 1_000
_KEPT = 64
"""Conditionals in GPU memory; a voice used again after so many others is prepared again."""


@dataclass(frozen=True, slots=True)
class Voice:
    """revision: of its clip; "" for the model's own."""

    id: str
    seconds: float = 0.0
    sample_rate: int = 0
    revision: str = ""


def is_id(text: str) -> bool:
    """Whether `text` may name a voice: it becomes a file name."""
    return _ID.fullmatch(text) is not None


class Voices:
    """The clips of `folder`. Reading and writing block: call `put`, `remove` and `reload` off the event loop,
    one at a time; the rest looks at memory only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._voices: dict[str, Voice] = {DEFAULT: Voice(DEFAULT)}

    def reload(self) -> None:
        """Look at the folder. Files that are no clips of ours are left alone. Raises OSError: it cannot be used."""
        self._folder.mkdir(parents=True, exist_ok=True)
        found = {DEFAULT: Voice(DEFAULT)}
        for path in sorted(self._folder.glob("*.wav")):
            if is_id(path.stem) and path.stem != DEFAULT and (voice := _described(path)) is not None:
                found[path.stem] = voice
        self._voices = found

    def listed(self) -> list[Voice]:
        return list(self._voices.values())

    def get(self, voice: str) -> Voice | None:
        return self._voices.get(voice)

    def path(self, voice: str) -> Path | None:
        """Of its clip; None for the model's own voice."""
        return None if voice == DEFAULT else self._folder / f"{voice}.wav"

    @property
    def revision(self) -> str:
        """Changes with any clip."""
        parts = (f"{voice.id}={voice.revision}" for voice in self._voices.values())
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=6).hexdigest()

    def draft(self, clip: Clip) -> Path:
        """The clip as a file that is no voice yet; `put` makes it one, else the caller removes it."""
        handle, name = tempfile.mkstemp(prefix=".draft-", suffix=".part", dir=self._folder)
        with os.fdopen(handle, "wb") as file:
            file.write(clip.wav)
            file.flush()
            os.fsync(file.fileno())
        return Path(name)

    def put(self, voice: str, draft: Path) -> Voice:
        """The draft is that voice from now on; streams under way keep the old one."""
        draft.replace(self._folder / f"{voice}.wav")
        made = _described(self._folder / f"{voice}.wav")
        assert made is not None
        self._voices = {**self._voices, voice: made}
        return made

    def leave_out(self, voice: str) -> None:
        """Until the next `reload` it is not among the voices; its clip stays."""
        self._voices = {name: each for name, each in self._voices.items() if name != voice}

    def remove(self, voice: str) -> bool:
        """False: there was none."""
        if voice == DEFAULT or voice not in self._voices:
            return False
        self.leave_out(voice)
        (self._folder / f"{voice}.wav").unlink(missing_ok=True)
        return True


def _described(path: Path) -> Voice | None:
    try:
        with wave.open(str(path), "rb") as reader:
            seconds, rate = reader.getnframes() / reader.getframerate(), reader.getframerate()
        digest = hashlib.blake2b(path.read_bytes(), digest_size=6).hexdigest()
    except (wave.Error, EOFError, OSError):
        return None
    return Voice(path.stem, round(seconds, 2), rate, digest)


class Prepared:
    """Conditionals by clip, the most recently used `_KEPT`. On the model's thread only."""

    def __init__(self, prepare: Callable[[Path | None], Any]) -> None:
        self._prepare = prepare
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def get(self, voice: Voice, path: Path | None) -> Any:
        """Raises what `Model.prepare` raises; OSError: the clip is gone."""
        key = f"{voice.id}={voice.revision}"
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        conditionals = self._prepare(path)
        self.keep(voice, conditionals)
        return conditionals

    def keep(self, voice: Voice, conditionals: Any) -> None:
        self._kept[f"{voice.id}={voice.revision}"] = conditionals
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
