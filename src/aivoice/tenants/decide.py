"""What becomes of a call that rings. Pure: a table that an operator can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aivoice.tenants.lookup import Found
from aivoice.tenants.settings import Action, Outcome

Why = Literal["usual", "unknown", "suspended", "blocked", "unprepared", "closed", "over_limit", "no_credit"]


@dataclass(frozen=True, slots=True)
class Decision:
    """sentence: announced, or the greeting ("": the usual one). target: where the call is put through to at once."""

    why: Why
    action: Action
    sentence: str = ""
    target: str = ""


UNKNOWN = Decision("unknown", "reject")
USUAL = Decision("usual", "answer")


def decide(found: Found | None, *, blocked: bool, open_now: bool) -> Decision:
    """Before anything is held for the call. The first reason counts: a suspended tenant's callers hear that, whoever
    they are and whatever the hour."""
    if found is None or found.status == "closed":
        return UNKNOWN
    outcomes = found.settings.outcomes
    if found.status == "suspended":
        return _by(outcomes.suspended, "suspended")
    if blocked:
        return _by(outcomes.blocked, "blocked")
    if not found.version:
        return _by(outcomes.unprepared, "unprepared")
    return USUAL if open_now else _by(outcomes.closed, "closed")


def refused(found: Found, reason: str) -> Decision:
    """After the bill said no. reason: as `billing` gives it. Whoever may not be answered for want of credit or room is
    never put through to the receptionist: "answer" counts as "reject" here."""
    outcomes = found.settings.outcomes
    decision = _by(outcomes.no_credit, "no_credit") if reason == "credit" else _by(outcomes.over_limit, "over_limit")
    return decision if decision.action == "announce" else Decision(decision.why, "reject")


def _by(outcome: Outcome, why: Why) -> Decision:
    # A sentence is what an announcement is: without one there is nothing to answer for.
    if outcome.action == "announce" and not outcome.sentence:
        return Decision(why, "reject")
    # What cannot be talked to without a business file can only be announced or left alone.
    if why in ("suspended", "unprepared") and outcome.action in ("answer", "transfer"):
        return Decision(why, "reject")
    return Decision(why, outcome.action, outcome.sentence, outcome.target)
