"""What becomes of a call: the whole table."""

from __future__ import annotations

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
