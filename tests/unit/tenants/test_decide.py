"""What becomes of a call: the whole table."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivoice.errors import InputError
from aivoice.tenants.decide import decide, refused
from aivoice.tenants.lookup import Found
from aivoice.tenants.settings import Settings, kept_settings, parse_settings


def found(status: str = "active", version: int = 1, **settings: Any) -> Found:
    return Found("alpha", "Alpha", status, version, "UTC", parse_settings(settings), "")


@pytest.mark.parametrize(
    ("of", "blocked", "open_now", "why", "action"),
    [
        (None, False, True, "unknown", "reject"),
        (found("closed"), False, True, "unknown", "reject"),
        (found(), False, True, "usual", "answer"),
        (found(), False, False, "closed", "answer"),
        (found(), True, True, "blocked", "reject"),
        (found("suspended"), True, False, "suspended", "announce"),
        (found(version=0), False, True, "unprepared", "announce"),
        (found(outcomes={"closed": {"action": "reject"}}), False, False, "closed", "reject"),
        (found(outcomes={"closed": {"action": "transfer", "target": "on call"}}), False, False, "closed", "transfer"),
        (found(outcomes={"blocked": {"action": "announce", "sentence": "No."}}), True, True, "blocked", "announce"),
        (found(outcomes={"blocked": {"action": "announce"}}), True, True, "blocked", "reject"),
        (found("suspended", outcomes={"suspended": {"action": "answer"}}), False, True, "suspended", "reject"),
    ],
)
def test_every_reason_has_its_outcome(of: Found | None, blocked: bool, open_now: bool, why: str, action: str) -> None:
    decision = decide(of, blocked=blocked, open_now=open_now)
    assert (decision.why, decision.action) == (why, action)


@pytest.mark.parametrize(
    ("reason", "why"), [("credit", "no_credit"), ("calls", "over_limit"), ("minutes", "over_limit")]
)
def test_who_may_not_be_paid_for_is_never_answered_as_usual(reason: str, why: str) -> None:
    assert (refused(found(), reason).why, refused(found(), reason).action) == (why, "reject")
    told = {"action": "announce", "sentence": "Busy."}
    assert refused(found(outcomes={why: told}), reason).sentence == "Busy."
    assert refused(found(outcomes={why: {"action": "answer"}}), reason).action == "reject"


@given(st.sampled_from(["active", "suspended", "closed"]), st.integers(0, 2), st.booleans(), st.booleans())
def test_nothing_but_an_active_prepared_tenant_is_answered(
    status: str, version: int, blocked: bool, open_now: bool
) -> None:
    decision = decide(found(status, version), blocked=blocked, open_now=open_now)
    answered = decision.action in ("answer", "transfer")
    assert not answered or (status == "active" and version > 0 and not blocked)
    assert decision.action != "announce" or decision.sentence


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "XX"}, {"outcomes": {"closed": {"action": "sing"}}}, {"keep": {"recordings": -1}}, {"unknown": 1},
        {"jurisdiction": "california"}, {"outcomes": {"closed": {"action": "announce", "sentence": "a\nb"}}},
    ],
)  # fmt: skip
def test_settings_that_are_none_are_refused_by_name_and_kept_ones_never_break_a_call(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError) as error:
        parse_settings(wrong)
    assert next(iter(wrong)) in str(error.value)
    assert kept_settings(wrong) == Settings()


SET: dict[str, Any] = {
    "recording": False, "jurisdiction": "DE", "keep": {"recordings": 0, "callers": 0}, "redact": ["card"],
    "outcomes": {"blocked": {"action": "announce", "sentence": "No."}, "closed": {"action": "reject"}},
    "messages": {"emails": ["desk@example.com"], "escalate_minutes": 5},
}  # fmt: skip


@pytest.mark.parametrize(
    "where",
    [
        ("music",), ("region",), ("keep", "summaries"), ("outcomes", "night"),
        ("messages", "late_emails"), ("keep", "transcripts"),
    ],
)  # fmt: skip
def test_what_this_release_does_not_take_costs_nothing_that_was_set_beside_it(where: tuple[str, ...]) -> None:
    stored = copy.deepcopy(SET)
    inner = stored
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = "of a newer release"
    assert kept_settings(stored) == parse_settings(SET)


@pytest.mark.parametrize("wrong", [{"action": "sing"}, {"action": "reject", "song": 1}, {"sentence": "No."}, "reject"])
def test_an_outcome_is_taken_whole_or_not_at_all(wrong: Any) -> None:
    outcomes = {**SET["outcomes"], "closed": wrong}
    kept = kept_settings({**SET, "outcomes": outcomes}).outcomes
    assert kept.closed == Settings().outcomes.closed
    assert kept.blocked == parse_settings(SET).outcomes.blocked


NAMES = st.sampled_from([*SET, "action", "recordings", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "reject", "US", "\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SET, "region", "x"]), JSON, max_size=5))
def test_no_stored_settings_keep_a_call_from_being_decided(stored: dict[str, Any]) -> None:
    assert isinstance(kept_settings(stored), Settings)
