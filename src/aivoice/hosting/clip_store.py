"""The sentences of a business, spoken beforehand in its voice, and kept on disk for the next start."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aivoice.engine.clips import ClipBuffer, Speakable
from aivoice.engine.ports import ReadyClip
from aivoice.errors import ProviderError
from aivoice.providers.ports import Revised, SpeechAudio, SpeechMark, TextToSpeech

_FORMAT = 1
_SPEAK_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Clips:
    """`engine.ports.ClipStore` over clips in memory. missing: keys that could not be made."""

    ready: Mapping[str, ReadyClip]
    missing: tuple[str, ...] = ()

    def get(self, key: str) -> ReadyClip | None:
        return self.ready.get(key)


def cache_folder() -> Path:
    """Where made clips are kept: XDG_CACHE_HOME/aivoice, ~/.cache/aivoice, or a temporary folder of this user."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    for folder in (Path(base) if base else None, Path.home() / ".cache"):
        if folder is not None and os.access(folder if folder.exists() else folder.parent, os.W_OK):
            return folder / "aivoice" / "clips"
    return Path(tempfile.gettempdir()) / f"aivoice-{os.getuid()}" / "clips"


async def make_clips(
    tts: TextToSpeech,
    texts: Mapping[str, str],
    speakable: Speakable,
    *,
    voice: str,
    release: str,
    cache: Path | None,
    progress: Callable[[int, int], None] | None = None,
    patience: int = 0,
) -> Clips:
    """Speak every text; those found in `cache` are read instead. `progress(done, of)` after each.

    release: of the voice; a clip of another one, or of another revision of the voice (`providers.ports.Revised`), is
    made anew. A clip that fails is left out (the session speaks its text when it is needed). patience: after so many
    failures the rest is not tried (0: all are). Raises ProviderError when not one could be made.
    """
    revision = "" if cache is None else await asyncio.to_thread(_revision, tts)
    ready: dict[str, ReadyClip] = {}
    missing: list[str] = []
    for number, (key, text) in enumerate(texts.items(), 1):
        spoken = speakable(text)
        parts = (str(_FORMAT), tts.name, release, revision, voice, text, spoken.text)
        path = None if cache is None else cache / hashlib.blake2b("\x1f".join(parts).encode()).hexdigest()[:40]
        clip = None if path is None else await asyncio.to_thread(_read, path)
        if clip is None and patience and len(missing) >= patience:
            missing.append(key)
            continue
        if clip is None:
            try:
                async with asyncio.timeout(_SPEAK_LIMIT_S):
                    clip = await _speak(tts, text, speakable, voice)
            except (ProviderError, TimeoutError):
                missing.append(key)
                continue
            if path is not None:
                await asyncio.to_thread(_write, path, clip)
        ready[key] = clip
        if progress is not None:
            progress(number, len(texts))
    if texts and not ready:
        raise ProviderError("the voice could not speak one sentence of the business", code="no_voice", stage="tts")
    return Clips(ready, tuple(missing))


async def make_clips_by(
    voices: Sequence[TextToSpeech],
    texts: Mapping[str, str],
    speakable: Speakable,
    *,
    voice: str,
    release: str,
    cache: Path | None,
) -> Clips:
    """Every text in one voice: the first of the chain that speaks them all, else the one that speaks most. Each is kept
    on disk as its own, so that a substitute's clips are never taken for the first one's once that is well again.

    Raises ProviderError when not one could be made.
    """
    best = Clips({})
    for tts in voices:
        try:
            made = await make_clips(tts, texts, speakable, voice=voice, release=release, cache=cache, patience=2)
        except ProviderError:
            continue
        if len(made.ready) > len(best.ready):
            best = made
        if not made.missing:
            break
    if texts and not best.ready:
        raise ProviderError("no voice could speak one sentence of the business", code="no_voice", stage="tts")
    return best


def _revision(tts: TextToSpeech) -> str:
    return tts.revision if isinstance(tts, Revised) else ""


async def _speak(tts: TextToSpeech, text: str, speakable: Speakable, voice: str) -> ReadyClip:
    buffer = ClipBuffer(0, 0, speakable, source=text)
    stream = await tts.open(voice=voice)
    try:
        stream.push(speakable(text).text)
        stream.finish()
        async for event in stream:
            match event:
                case SpeechAudio(samples, pcm):
                    buffer.add(samples, pcm)
                case SpeechMark(word, sample):
                    buffer.marks.setdefault(word, sample)
    finally:
        await stream.aclose()
    if not buffer.samples:
        raise ProviderError("a clip came without audio", code="empty_audio", stage="tts")
    buffer.complete = True
    return ReadyClip(buffer.samples, bytes(buffer.pcm) or None, buffer.word_starts())


def _read(path: Path) -> ReadyClip | None:
    """A clip of the cache; None where there is none, or it is damaged."""
    try:
        head, _, pcm = path.read_bytes().partition(b"\n")
        meta = json.loads(head)
        clip = ReadyClip(int(meta["samples"]), pcm, tuple(int(word) for word in meta["words"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return clip if len(pcm) == 2 * clip.samples else None


def _write(path: Path, clip: ReadyClip) -> None:
    """Beside its place, then moved there: a reader never sees half a clip. A cache that cannot be written is none."""
    if clip.pcm is None:
        return
    head = json.dumps({"samples": clip.samples, "words": clip.words}).encode()
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(head + b"\n" + clip.pcm)
        os.replace(part, path)
    except OSError:
        return
