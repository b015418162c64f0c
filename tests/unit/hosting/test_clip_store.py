"""Clips: made once, read the next time, made anew when anything they depend on changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aivoice.engine.cascade_tts import TtsCascade
from aivoice.engine.clips import as_written
from aivoice.errors import ProviderError
from aivoice.hosting.caller import speak_lines
from aivoice.hosting.caller_script import Answer, CallerScript, Line
from aivoice.hosting.clip_store import Clips, cache_folder, make_clips
from aivoice.providers.embedded.weights import Weights
from aivoice.testing.fakes import FakeTts, TtsBehaviour
from aivoice.testing.virtual_time import run_virtual

TEXTS = {"greeting": "Hello, how can I help you?", "goodbye": "Goodbye."}


def make(tts: FakeTts, cache: Path | None, *, voice: str = "default", release: str = "1", **texts: str) -> Clips:
    return run_virtual(make_clips(tts, texts or TEXTS, as_written, voice=voice, release=release, cache=cache))


def voice() -> FakeTts:
    return FakeTts(TtsBehaviour(pcm=True))


def test_every_sentence_is_spoken_with_its_words_placed(tmp_path: Path) -> None:
    clips = make(voice(), tmp_path)
    for key, text in TEXTS.items():
        clip = clips.get(key)
        assert clip is not None
        assert clip.pcm is not None
        assert len(clip.pcm) == 2 * clip.samples
        assert len(clip.words) == len(text.split())
        assert list(clip.words) == sorted(clip.words)
        assert clip.words[-1] < clip.samples
    assert clips.get("unknown") is None


def test_the_next_start_reads_what_this_one_made(tmp_path: Path) -> None:
    first = make(voice(), tmp_path)
    again = voice()
    assert make(again, tmp_path).ready == first.ready
    assert again.opened == 0


@pytest.mark.parametrize("change", [{"release": "2"}, {"voice": "low"}, {"greeting": "Hi!", "goodbye": "Bye!"}])
def test_another_voice_release_or_text_is_made_anew(tmp_path: Path, change: dict[str, str]) -> None:
    make(voice(), tmp_path)
    again = voice()
    make(again, tmp_path, **change)  # type: ignore[arg-type]
    assert again.opened == 2


class TunedTts(FakeTts):
    """A voice that tells its revision."""

    revision = "1"


@pytest.mark.parametrize("chained", [False, True], ids=["alone", "in a chain"])
def test_a_changed_model_of_the_same_release_is_made_anew(tmp_path: Path, chained: bool) -> None:
    def spoken(revision: str) -> int:
        tts = TunedTts(TtsBehaviour(pcm=True))
        tts.revision = revision
        run_virtual(
            make_clips(TtsCascade([tts]) if chained else tts, TEXTS, as_written, voice="a", release="1", cache=tmp_path)
        )
        return tts.opened

    assert [spoken("1"), spoken("1"), spoken("2"), spoken("1")] == [2, 0, 2, 0]


def test_a_models_fingerprint_changes_with_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_model"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "model.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    weights = Weights("a model", "some-model==1", "some_model", ("model.bin",))
    first = weights.fingerprint()
    (package / "__init__.pyc").touch()
    assert weights.fingerprint() == first
    (package / "model.bin").write_bytes(b"other weights")
    second = weights.fingerprint()
    os.utime(package / "model.bin", ns=(1, 1))
    assert len({first, second, weights.fingerprint()}) == 3


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"not json\n\x00\x01", b'{"samples": 10, "words": []}\n\x00'])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    first = make(voice(), tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(damage)
    assert make(voice(), tmp_path).ready == first.ready


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert len(make(voice(), blocked / "clips").ready) == 2


def test_a_sentence_that_fails_is_left_out_and_named(tmp_path: Path) -> None:
    class Choosy(FakeTts):
        async def open(self, *, voice: str = "default"):  # type: ignore[no-untyped-def]
            if self.opened == 1:
                self.opened += 1
                raise ProviderError("down")
            return await super().open(voice=voice)

    clips = make(Choosy(TtsBehaviour(pcm=True)), None)
    assert clips.missing == ("goodbye",)
    assert clips.get("greeting") is not None


def test_a_voice_that_says_nothing_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="could not speak one sentence"):
        make(voice(), tmp_path, voice="missing")


def test_the_cache_has_a_place_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" / "aivoice" / "clips"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: Path("/nonexistent/home"))
    assert "aivoice" in str(cache_folder())
    assert not str(cache_folder()).startswith("/nonexistent")


SCRIPT = CallerScript(
    lines=(Line(say="Are you open?"),), answers=(Answer(when="what day", say="Tuesday."),), goodbye="Goodbye."
)


def test_a_callers_lines_are_spoken_once_and_read_the_next_time(tmp_path: Path) -> None:
    first = run_virtual(speak_lines(voice(), SCRIPT, release="1", cache=tmp_path))
    assert set(first) == {"Are you open?", "Tuesday.", "Goodbye."}
    assert all(first.values())
    again = voice()
    assert run_virtual(speak_lines(again, SCRIPT, release="1", cache=tmp_path)) == first
    assert again.opened == 0
