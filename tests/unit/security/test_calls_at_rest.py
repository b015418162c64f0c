"""Sealed files of calls, what is muted, and what callers are told."""

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
from aivoice.security.secret_watch import SecretWatch
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


# ---------------------------------------------------------------- what is muted


def test_a_card_read_in_pieces_leaves_none_of_them() -> None:
    watch = SecretWatch()
    greeting = "Thank you for calling. How can I help you at 5 pm?"
    assert watch.agent_prepares(greeting) == watch.agent_said(greeting) == greeting
    watch.caller("I would like to pay")
    watch.turn_ended()
    assert not watch.collecting
    watch.agent_prepares("Sure. Could you please tell me your card number?")
    assert watch.collecting
    watch.agent_said("Sure. Could you please tell me your card number?")
    assert watch.caller("4111") == "1111"
    watch.turn_ended()
    watch.agent_prepares("Thank you, that was 4111.")  # guessed in a pause, never said
    assert [watch.caller(part) for part in ("4111 1234", "4111 1234 and 9012")] == ["1111 1111", "1111 1111 and 1111"]
    watch.turn_ended()
    watch.agent_said("Thank you, your payment of 20 dollars was taken.")
    assert not watch.collecting
    assert watch.caller("Call me at 212 555 0147") == "Call me at 212 555 0147"


def test_a_caller_who_begins_by_themselves_is_muted_at_the_first_digits() -> None:
    watch = SecretWatch()
    assert watch.caller("yeah my card number is 41") == "yeah my card number is 11"
    assert watch.collecting


def test_talk_about_cards_is_not_one() -> None:
    watch = SecretWatch()
    watch.agent_prepares("We take every credit card, and cash.")
    watch.caller("Do you take credit cards at 5 pm?")
    watch.agent_prepares("Yes, until 5 pm.")
    assert not watch.collecting
    none = SecretWatch(())
    none.agent_prepares("What is your card number?")
    assert none.caller("4111 1111 1111 1111") == "4111 1111 1111 1111"


def test_nobody_is_muted_for_ever() -> None:
    watch = SecretWatch()
    watch.agent_prepares("What is your card number, please?")
    for _ in range(4):
        watch.caller("hm, wait a moment")
        watch.turn_ended()
    assert not watch.collecting


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
