"""Keys of the installation, and what is sealed with them."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.security.errors import KeysError, SealError
from aivoice.security.keyring import FILE, Keyring, Sealer

RING = Keyring((("new", b"n" * 32), ("old", b"o" * 32)), b"r" * 32)


def test_the_first_run_makes_a_file_of_its_own_user_and_later_runs_read_it(tmp_path: Path) -> None:
    made = Keyring.load(tmp_path / "data", {})
    assert stat.S_IMODE((tmp_path / "data" / FILE).stat().st_mode) == 0o600
    assert Keyring.load(tmp_path / "data", {}) == made
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FILE]


def test_the_environment_goes_first(tmp_path: Path) -> None:
    assert Keyring.load(tmp_path, {"AIVOICE_KEYS": RING.to_text()}) == RING
    assert list(tmp_path.iterdir()) == []


def test_without_a_root_the_last_key_is_it() -> None:
    text = ",".join(f"{key_id}:{base64.urlsafe_b64encode(key).decode().rstrip('=')}" for key_id, key in RING.keys)
    ring = Keyring.from_text(text)
    assert (ring.current_id, ring.root) == ("new", b"o" * 32)


def test_what_is_derived_survives_a_rotation_and_differs_by_purpose(tmp_path: Path) -> None:
    ring = Keyring.load(tmp_path, {})
    ring.rotated().without(ring.current_id).save(tmp_path)
    later = Keyring.load(tmp_path, {})
    assert later.current_id != ring.current_id
    assert later.derive("database role a") == ring.derive("database role a") != ring.derive("database role b")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a:",
        "a:????",
        "a:YWJj",
        "A:" + "A" * 43,
        "a:{0},a:{0}",
        "root:{0}",
        "root:{0},root:{0},a:{0}",
        "a b:{0}",
    ],
)
def test_keys_that_are_none_are_refused_without_a_word_of_them(text: str) -> None:
    key = base64.b64encode(b"secret" * 5 + b"12").decode()
    with pytest.raises(KeysError) as caught:
        Keyring.from_text(text.format(key))
    assert key not in str(caught.value)


def test_a_damaged_file_is_told_and_left(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"keys": []}')
    with pytest.raises(KeysError, match="backup"):
        Keyring.load(tmp_path, {})
    assert (tmp_path / FILE).read_text() == '{"keys": []}'


def test_a_keyring_shows_no_key() -> None:
    assert "nnn" not in repr(RING)
    assert "nnn" not in repr(Sealer(RING))


@given(st.binary(max_size=200), st.text(max_size=20), st.text(max_size=20))
def test_what_is_sealed_opens_for_the_same_tenant_and_purpose(plain: bytes, tenant: str, purpose: str) -> None:
    sealer = Sealer(RING)
    assert sealer.open(tenant, purpose, sealer.seal(tenant, purpose, plain)) == plain


@given(st.data())
def test_any_changed_byte_and_any_cut_is_refused(data: st.DataObject) -> None:
    sealed = bytearray(Sealer(RING).seal("alpha", "secret", b"words"))
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(sealed) - 1))
        sealed[place] ^= data.draw(st.integers(1, 255))
    else:
        del sealed[data.draw(st.integers(0, len(sealed) - 1)) :]
    with pytest.raises(SealError):
        Sealer(RING).open("alpha", "secret", bytes(sealed))


@pytest.mark.parametrize(("tenant", "purpose"), [("beta", "secret"), ("alpha", "other"), ("alphas", "ecret"), ("", "")])
def test_another_tenant_or_purpose_opens_nothing(tenant: str, purpose: str) -> None:
    sealed = Sealer(RING).seal("alpha", "secret", b"words")
    with pytest.raises(SealError):
        Sealer(RING).open(tenant, purpose, sealed)


def test_another_key_of_the_same_id_and_the_same_key_of_another_id_open_nothing() -> None:
    sealed = Sealer(RING).seal("alpha", "secret", b"words")
    with pytest.raises(SealError):
        Sealer(Keyring((("new", b"x" * 32),), b"r" * 32)).open("alpha", "secret", sealed)
    swapped = sealed.replace(b"new", b"old", 1)
    with pytest.raises(SealError):
        Sealer(Keyring((("new", b"n" * 32), ("old", b"n" * 32)), b"r" * 32)).open("alpha", "secret", swapped)


def test_rotation_reseals_and_then_the_old_key_may_go() -> None:
    sealed = Sealer(RING).seal("alpha", "secret", b"words")
    ring = RING.rotated()
    again = Sealer(ring).reseal("alpha", "secret", sealed)
    assert Sealer(ring).is_current(again)
    assert not Sealer(ring).is_current(sealed)
    assert Sealer(ring).reseal("alpha", "secret", again) is again
    last = Sealer(ring.without("new"))
    assert last.open("alpha", "secret", again) == b"words"
    with pytest.raises(SealError) as caught:
        last.open("alpha", "secret", sealed)
    assert caught.value.code == "key_unknown"
    with pytest.raises(KeysError):
        ring.without(ring.current_id)


def test_one_text_sealed_twice_looks_different() -> None:
    assert Sealer(RING).seal("alpha", "secret", b"words") != Sealer(RING).seal("alpha", "secret", b"words")
