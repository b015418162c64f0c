"""Telephone numbers: read from any form that people write or say, and given to tenants by the operator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from aivoice.errors import InputError
from aivoice.speech.parse_phones import find_phones
from aivoice.store import ConflictError, NotFoundError, PlatformScope, Scope

CHANNEL = "tenants"
"""Told (``tenant version``) whenever something changes by which calls of a tenant are answered."""
_MOST = 100
_WITHHELD = frozenset({"", "anonymous", "private", "restricted", "unavailable", "unknown", "withheld", "blocked", "-"})
_HOW = "write it with its country, like +1 212 555 0147"


class NumberError(InputError):
    """This is no telephone number that can be dialled from anywhere. The message says what to do."""

    code, stage = "number_invalid", "tenants"


def parse_number(text: str, region: str = "US") -> str:
    """E.164 (``+12125550147``) of a number as typed or said. region: the country (ISO 3166, two letters) of a number
    without one.

    Raises NumberError. A number of a plausible length is taken though no plan lists it (see `is_listed`): lines for
    trials have such.
    """
    text = text.strip()
    if not text:
        raise NumberError(f"no number was given: {_HOW}")
    if len(text) > _MOST:
        raise NumberError(f"this is too long for a telephone number: {_HOW}")
    if re.match(r"sips?:", text, re.IGNORECASE):
        raise NumberError(f"this is an address, not a telephone number: {_HOW}")
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise NumberError("this is not a country that has numbers: give two letters, like US or GB")
    try:
        number = phonenumbers.parse(_spoken(text) or re.sub(r"^00(?=[ 1-9])", "+", text), region)
    except NumberParseException as error:
        raise NumberError(_unreadable(error)) from None
    if number.extension:
        raise NumberError("a line is reached without an extension: leave the extension out")
    problem = _PROBLEMS.get(phonenumbers.is_possible_number_with_reason(number))
    if problem:
        raise NumberError(problem)
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", e164):
        raise NumberError(f"this number has too few or too many digits: {_HOW}")
    return e164


_PROBLEMS: dict[int, str] = {
    ValidationResult.TOO_SHORT: f"digits are missing: {_HOW}",
    ValidationResult.TOO_LONG: f"there are too many digits: {_HOW}",
    ValidationResult.INVALID_LENGTH: f"no number of this country has so many digits: {_HOW}",
    ValidationResult.INVALID_COUNTRY_CODE: f"no country has this code: {_HOW}",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: f"the area code is missing: {_HOW}",
}


def _unreadable(error: NumberParseException) -> str:
    match error.error_type:
        case NumberParseException.INVALID_COUNTRY_CODE:
            return f"no country has this code: {_HOW}"
        case NumberParseException.TOO_LONG:
            return f"there are too many digits: {_HOW}"
        case NumberParseException.TOO_SHORT_NSN | NumberParseException.TOO_SHORT_AFTER_IDD:
            return f"digits are missing: {_HOW}"
        case _:
            return f"this is not a telephone number: {_HOW}"


def _spoken(text: str) -> str:
    """The digits of a number in words ("plus one, five five five, oh one four two …"), "" where it is none."""
    if not re.search(r"[a-z]{2}", text, re.IGNORECASE):
        return ""
    said = find_phones(text)
    if len(said) != 1:
        return ""  # letters of a keypad (1-800-FLOWERS), which phonenumbers reads, or no number at all
    phone = said[0].value
    return ("+" if phone.international else "") + phone.digits + (f" ext {phone.extension}" if phone.extension else "")


def is_listed(e164: str) -> bool:
    """Whether a published numbering plan has this number. False of numbers for trials and films (555)."""
    return phonenumbers.is_valid_number(phonenumbers.parse(e164))


def caller_number(text: str | None, region: str = "US") -> str | None:
    """Who calls, as a line tells it: E.164 where it can be read so, else the bare text (an extension). None: withheld.

    Never raises: whatever a line says, the call is answered.
    """
    bare = "".join(character for character in (text or "") if character.isprintable()).strip()[:64]
    if re.sub(r"^sips?:|@.*$", "", bare, flags=re.IGNORECASE).lower() in _WITHHELD:
        return None
    bare = re.sub(r"^(?:sips?|tel):|[@;].*$", "", bare, flags=re.IGNORECASE)
    try:
        return parse_number(bare, region)
    except NumberError:
        return bare or None


@dataclass(frozen=True, slots=True)
class Number:
    """A number that a tenant has. label: what it is for ("main line")."""

    e164: str
    label: str
    created_at: datetime


async def assign(scope: PlatformScope, tenant_id: str, e164: str, now: datetime, *, label: str = "") -> bool:
    """Give a number to a tenant. False: it had it already (the label is kept).

    Raises NotFoundError for the tenant, ConflictError where another tenant has the number or this one is closed.
    """
    await _open_tenant(scope, tenant_id)
    row = {"tenant": tenant_id, "e164": e164, "label": label[:80], "now": now}
    added = await scope.run(
        "INSERT INTO numbers (tenant_id, e164, label, created_at) VALUES (%(tenant)s, %(e164)s, %(label)s, %(now)s) "
        "ON CONFLICT (e164) DO NOTHING",
        row,
    )
    if added:
        return True
    holder = await scope.value("SELECT tenant_id FROM numbers WHERE e164 = %(e164)s", row)
    if holder == tenant_id:
        return False
    raise ConflictError(f"This number belongs to {holder}: release it there, or move it.", code="number_taken")


async def move(scope: PlatformScope, e164: str, to: str, now: datetime) -> None:
    """Hand a number from the tenant that has it to another. Raises NotFoundError, ConflictError as `assign`."""
    await _open_tenant(scope, to)
    row = {"tenant": to, "e164": e164, "now": now}
    moved = await scope.run(
        "UPDATE numbers SET tenant_id = %(tenant)s, created_at = %(now)s, label = '' WHERE e164 = %(e164)s", row
    )
    if not moved:
        raise NotFoundError("No tenant has this number.", code="number_unknown")


async def release(scope: PlatformScope, tenant_id: str, e164: str) -> None:
    """Take a number from a tenant; calls to it are unknown from then on. Raises NotFoundError where it has not got it.

    Calls that are running go on."""
    row = {"tenant": tenant_id, "e164": e164}
    if not await scope.run("DELETE FROM numbers WHERE e164 = %(e164)s AND tenant_id = %(tenant)s", row):
        raise NotFoundError("This tenant has no such number.", code="number_unknown")


async def numbers_of(scope: Scope, limit: int = 1_000) -> list[Number]:
    """The tenant's numbers, in order."""
    rows = await scope.all(
        "SELECT e164, label, created_at FROM numbers WHERE tenant_id = %(tenant_id)s ORDER BY e164 LIMIT %(limit)s",
        {"limit": limit},
    )
    return [Number(**row) for row in rows]


async def _open_tenant(scope: PlatformScope, tenant_id: str) -> None:
    """Locks the tenant's row, so that it is not closed meanwhile."""
    status = await scope.value("SELECT status FROM tenants WHERE id = %(id)s FOR UPDATE", {"id": tenant_id})
    if status is None:
        raise NotFoundError("There is no such tenant.", code="tenant_unknown")
    if status == "closed":
        raise ConflictError("This tenant is closed: it can have no numbers.", code="tenant_closed")
