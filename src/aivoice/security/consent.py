"""What callers must be told before they are recorded, and of whom they speak with. Pure.

By default every caller hears both. A tenant may leave a notice out where its jurisdiction asks for none; where it does,
the notice stays whatever the tenant sets. The lists are the product's caution, not advice of a lawyer: the operator
answers for them, and an unknown place counts as the strictest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

EUROPE: Final = frozenset(
    ("AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IS", "IT",
     "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK")
)  # fmt: skip
ALL_PARTY_STATES: Final = frozenset(
    ("CA", "CT", "DE", "FL", "IL", "MA", "MD", "MI", "MT", "NH", "NV", "OR", "PA", "VT", "WA")
)
"""US states in which, in some cases at least, everybody in a call must know that it is recorded."""
AI_DISCLOSURE_STATES: Final = frozenset(("CA", "CO", "ME", "UT"))

RECORDING: Final = "This call is recorded."
ASSISTANT: Final = "You're speaking with a virtual assistant."


@dataclass(frozen=True, slots=True)
class Consent:
    """notices: sentences behind the greeting, in order. record: when recording may begin."""

    notices: tuple[str, ...]
    record: Literal["after_notice", "at_once", "never"]


def recording_notice_required(jurisdiction: str) -> bool:
    """jurisdiction: ``US``, ``US-CA``, ``DE``; "": unknown."""
    country, _, state = jurisdiction.partition("-")
    if country == "US":
        return not state or state in ALL_PARTY_STATES
    return True


def ai_disclosure_required(jurisdiction: str) -> bool:
    country, _, state = jurisdiction.partition("-")
    if country == "US":
        return not state or state in AI_DISCLOSURE_STATES
    return country in EUROPE or not country


def consent(
    jurisdiction: str, *, recording: bool, recording_notice: bool, ai_disclosure: bool, greeting: str = ""
) -> Consent:
    """recording, recording_notice, ai_disclosure: as the tenant set them. greeting: what is said anyway; a notice
    that it gives itself is not said twice."""
    notices: list[str] = []
    said = greeting.lower()
    if (ai_disclosure or ai_disclosure_required(jurisdiction)) and not any(
        word in said for word in ("virtual assistant", "automated", "artificial", " ai ", "digital assistant")
    ):
        notices.append(ASSISTANT)
    if not recording:
        return Consent(tuple(notices), "never")
    noticed = recording_notice or recording_notice_required(jurisdiction)
    if noticed and "record" not in said:
        notices.append(RECORDING)
    return Consent(tuple(notices), "after_notice" if noticed else "at_once")
