"""Business files handed over as text: what is refused before anything of it is looked at, and what a change is."""

from __future__ import annotations

from pathlib import Path

import pytest

from aivoice.business.load import BusinessFileError
from aivoice.tenants.bundle import Bundle, check_bundle, pack, read_bundle, unpack
from aivoice.tenants.plan import plan

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
FILE = "name: Corner\nprices:\n  - item: Cut\n    price: $20\n"


@pytest.mark.parametrize("name", ["northside-dental", "harbour-plumbing"])
def test_the_examples_pass_and_come_back_the_same_from_their_pack(name: str) -> None:
    draft = check_bundle(read_bundle(EXAMPLES / name / "business.yaml"))
    assert unpack(pack(draft.business)).prices == draft.business.prices
    assert draft.business.documents
    assert not plan(draft.business, draft.business).changes


@pytest.mark.parametrize(
    "path", ["../secrets.md", "/etc/passwd", "a/../b.md", "a\\b.md", "", "a//b.md", "x" * 400, "a/./b", "nul\x00.md"]
)
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(BusinessFileError):
        check_bundle(Bundle(FILE, {path: "text"}))


@pytest.mark.parametrize(
    ("source", "documents"),
    [
        ("name: x\n" + "#" * 3_000_000, {}),
        (FILE, {"a.md": "x" * 3_000_000}),
        (FILE, {"a.md": "nul \x00"}),
        (FILE, {"a.md": "half \ud800"}),
        ("name: \ud800", {}),
        (FILE, {f"{n}.md": "x" for n in range(2_000)}),
        ("", {}),
        ("[]", {}),
        ("name: [", {}),
        ("&a [*a]", {}),
    ],
)
def test_what_cannot_be_one_is_refused(source: str, documents: dict[str, str]) -> None:
    with pytest.raises(BusinessFileError) as error:
        check_bundle(Bundle(source, documents))
    assert error.value.problems


def test_a_plan_says_what_callers_notice() -> None:
    old = check_bundle(Bundle(FILE + "greeting: Hello.\n")).business
    new = check_bundle(Bundle(FILE.replace("$20", "$25") + "  - item: Shave\n    price: $10\n")).business
    assert [change.line() for change in plan(old, new).changes] == [
        "- greeting: Hello.", "~ prices, Cut: $20 → $25", "+ prices, Shave: $10",
    ]  # fmt: skip
    everything = plan(None, new)
    assert all(change.what == "added" for change in everything.changes)
