"""Sealed texts open for their tenant and their purpose alone, and are found by nobody who lacks the key."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from aivoice.tenants.sealing import DerivedSealer

NAMES = st.sampled_from(["alpha", "bravo", "alpha-2"])
ABOUT = st.sampled_from(["caller", "call c1", "call c12"])


def sealer(root: bytes = b"root") -> DerivedSealer:
    return DerivedSealer(lambda purpose: hashlib.sha256(root + purpose.encode()).digest())


@given(NAMES, ABOUT, NAMES, ABOUT, st.text(max_size=40))
def test_it_opens_where_it_was_sealed_and_nowhere_else(
    tenant: str, about: str, other: str, elsewhere: str, text: str
) -> None:
    sealed = sealer().seal(tenant, about, text)
    same = (tenant, about) == (other, elsewhere)
    assert sealer().open(other, elsewhere, sealed) == (text if same else None)
    assert sealer(b"another root").open(tenant, about, sealed) is None
    assert sealer().seal(tenant, about, text) != sealed


@given(st.binary(max_size=60))
def test_bytes_that_were_not_sealed_here_open_to_nothing(data: bytes) -> None:
    assert sealer().open("alpha", "caller", data) is None


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_one_bit_that_differs_is_seen(at: int, bit: int) -> None:
    sealed = bytearray(sealer().seal("alpha", "caller", "+12125550147"))
    sealed[at % len(sealed)] ^= 1 << bit
    assert sealer().open("alpha", "caller", bytes(sealed)) is None


@given(NAMES, NAMES, st.text(max_size=20), st.text(max_size=20))
def test_a_caller_has_one_key_at_a_tenant_and_another_at_each(tenant: str, other: str, one: str, two: str) -> None:
    same = (tenant, one) == (other, two)
    assert (sealer().key(tenant, one) == sealer().key(other, two)) is same
    assert sealer().key(tenant, one) != sealer(b"another root").key(tenant, one)
    assert len(sealer().key(tenant, one)) == 32


def test_half_a_surrogate_pair_breaks_nothing() -> None:
    assert sealer().open("alpha", "caller", sealer().seal("alpha", "caller", "a\ud800")) == "a?"
    assert len(sealer().key("alpha", "\ud800")) == 32
