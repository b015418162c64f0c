"""Sealed files of calls, and what callers are told."""

from __future__ import annotations

import secrets
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.engine.disk import PlainFile
from aivoice.security.call_crypto import MAGIC, MOST, OpenedFile, SealedFile
from aivoice.security.consent import ASSISTANT, RECORDING, consent
from aivoice.security.errors import SealError
from aivoice.store import NotFoundError

KEY = secrets.token_bytes(32)


def sealed(path: Path, *parts: bytes, key: bytes = KEY, close: bool = True) -> Path:
    plain = PlainFile(path)
    file = SealedFile(plain, key, "journal")
    for part in parts:
        file.write(part)
    file.sync()
    if close:
        file.close()
    else:
        plain.close()
    return path


def opened(path: Path, key: bytes = KEY, name: str = "journal") -> tuple[bytes, bool]:
    file = OpenedFile(path, key, name)
    return b"".join(file.blocks()), file.complete


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8))
def test_what_is_written_is_read_and_nothing_of_it_shows(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
) -> None:
    path = sealed(tmp_path_factory.mktemp("sealed") / "f", *parts)
    assert opened(path) == (b"".join(parts), True)
    stored = path.read_bytes()
    assert not any(part in stored for part in parts if len(part) > 8)


def test_more_than_a_frame(tmp_path: Path) -> None:
    data = secrets.token_bytes(3 * MOST + 5)
    assert opened(sealed(tmp_path / "f", data)) == (data, True)


def test_a_crash_leaves_what_was_written_and_it_shows(tmp_path: Path) -> None:
    path = sealed(tmp_path / "f", b"one", b"two", close=False)
    assert opened(path) == (b"onetwo", False)
    path.write_bytes(path.read_bytes()[:-1])
    assert opened(path) == (b"one", False)


def test_every_change_is_found(tmp_path: Path) -> None:
    path = sealed(tmp_path / "f", b"alpha" * 3, b"bravo" * 3, b"charl" * 3)
    whole = path.read_bytes()
    frame = 4 + 15 + 16
    frames = [whole[4 + at * frame : 4 + (at + 1) * frame] for at in range(3)]
    end = whole[4 + 3 * frame :]
    for place in range(len(MAGIC), len(whole)):
        path.write_bytes(whole[:place] + bytes((whole[place] ^ 1,)) + whole[place + 1 :])
        try:
            assert opened(path)[1] is False  # a length that now reaches past the end reads as cut off
        except SealError:
            pass
    for wrong in ([frames[1], frames[0], frames[2]], [frames[0], frames[2]], [*frames, frames[0]]):
        path.write_bytes(MAGIC + b"".join(wrong) + end)
        with pytest.raises(SealError):
            opened(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(SealError):
        opened(path)


def test_only_the_calls_key_and_the_files_name_open_it(tmp_path: Path) -> None:
    path = sealed(tmp_path / "f", b"text")
    for key, name in ((secrets.token_bytes(32), "journal"), (KEY, "recording")):
        with pytest.raises(SealError):
            opened(path, key, name)
    with pytest.raises(NotFoundError):
        opened(tmp_path / "nowhere")


# ---------------------------------------------------------------- what is told


def test_by_default_everybody_hears_both_and_nothing_is_recorded_before() -> None:
    told = consent("", recording=True, recording_notice=True, ai_disclosure=True)
    assert told.notices == (ASSISTANT, RECORDING)
    assert told.record == "after_notice"


@pytest.mark.parametrize("place", ["", "US", "US-CA", "DE", "BR", "GB"])
def test_where_a_notice_is_asked_for_it_stays(place: str) -> None:
    told = consent(place, recording=True, recording_notice=False, ai_disclosure=False)
    assert RECORDING in told.notices
    assert told.record == "after_notice"


def test_where_none_is_it_may_go_and_what_the_greeting_says_is_not_said_twice() -> None:
    assert consent("US-TX", recording=True, recording_notice=False, ai_disclosure=False).notices == ()
    assert consent("US-TX", recording=True, recording_notice=False, ai_disclosure=False).record == "at_once"
    own = consent(
        "", recording=True, recording_notice=True, ai_disclosure=True, greeting="An automated, recorded line."
    )
    assert own.notices == ()
    assert own.record == "after_notice"
    assert consent("", recording=False, recording_notice=True, ai_disclosure=True).record == "never"


def test_pairs_of_frames_never_share_a_nonce(tmp_path: Path) -> None:
    """The same text twice gives different bytes."""
    whole = sealed(tmp_path / "f", b"same", b"same", b"same").read_bytes()
    frames = [whole[4 + at * 24 : 4 + (at + 1) * 24] for at in range(3)]
    assert all(one != other for one, other in pairwise(frames))
