"""What a tenant sets beside its business file: what becomes of calls that are not answered as usual, and what is
kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from phonenumbers import SUPPORTED_REGIONS
from psycopg.types.json import Jsonb
from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints, ValidationError

from aivoice.errors import InputError
from aivoice.store import NotFoundError, Scope
from aivoice.tenants.numbers import CHANNEL

Action = Literal["answer", "announce", "transfer", "reject"]
"""answer: the receptionist. announce: one sentence, then the line is closed. transfer: at once to somebody, the
receptionist where nobody is free. reject: not answered at all."""
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00-\x1f]*$")]


def _region(value: str) -> str:
    if value not in SUPPORTED_REGIONS:
        raise ValueError("give a country in two letters, like US or GB")
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Outcome(_Strict):
    """sentence: what is announced, or greeted with ("": the usual greeting). target: name of a transfer of the file."""

    action: Action
    sentence: Sentence = ""
    target: Annotated[str, StringConstraints(max_length=100)] = ""


NOT_IN_SERVICE = "This number is not in service at the moment. Please try again later. Goodbye."


class Outcomes(_Strict):
    """One for each reason. closed: outside the opening hours (a file without hours is always open)."""

    closed: Outcome = Outcome(action="answer")
    suspended: Outcome = Outcome(action="announce", sentence=NOT_IN_SERVICE)
    unprepared: Outcome = Outcome(action="announce", sentence=NOT_IN_SERVICE)
    over_limit: Outcome = Outcome(action="reject")
    no_credit: Outcome = Outcome(action="reject")
    blocked: Outcome = Outcome(action="reject")


class Keep(_Strict):
    """Days that things are kept. 0: not at all."""

    recordings: Annotated[int, Field(ge=0, le=3_650)] = 30
    transcripts: Annotated[int, Field(ge=0, le=3_650)] = 90
    callers: Annotated[int, Field(ge=0, le=3_650)] = 180


_Emails = Annotated[tuple[EmailStr, ...], Field(max_length=10)]
_Numbers = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")], ...], Field(max_length=10)
]


class Messages(_Strict):
    """Who is told of messages and of what was done in calls (bookings). emails: none: the business file's own address.
    escalate_minutes: a message that nobody has read for so long goes to the late ones, too; null: never."""

    emails: _Emails = ()
    texts: _Numbers = ()
    escalate_minutes: Annotated[int, Field(ge=1, le=10_080)] | None = None
    late_emails: _Emails = ()
    late_texts: _Numbers = ()


_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
_Names = Annotated[tuple[_Name, ...], Field(min_length=1, max_length=8)]


class Choice(_Strict):
    """An order of the tenant's own among the providers that the installation has, by name; null: the installation's.
    voices: the voice that a voice provider speaks in for this tenant, by the provider's name."""

    stt: _Names | None = None
    llm: _Names | None = None
    tts: _Names | None = None
    voices: Annotated[
        dict[str, Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]],
        Field(max_length=16),
    ] = {}


class Guesses(_Strict):
    """How early replies are begun before it is sure what the caller says. most: the least certain guess that may be
    made (off; eager: the recogniser says that the turn has ended; settled: its words come after the end of speech;
    interim: the caller still speaks). waste: share of the language model's tokens that guesses may throw away. A kind
    that proves not to save enough is left out either way."""

    most: Literal["off", "eager", "settled", "interim"] = "settled"
    waste: Annotated[float, Field(ge=0, le=1)] = 0.3


class Settings(_Strict):
    """region: country of numbers written without one. recording: whether calls are recorded. jurisdiction: where the
    business is (a country, or a US state as ``US-CA``), for the notices that callers must hear. ai_disclosure,
    recording_notice: whether they hear them. providers: who hears, thinks and speaks. redact: kinds of secrets that
    are never stored.
    """

    region: Annotated[str, AfterValidator(_region)] = "US"
    outcomes: Outcomes = Outcomes()
    recording: bool = True
    recording_notice: bool = True
    ai_disclosure: bool = True
    jurisdiction: Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}(-[A-Z]{2})?)?$")] = ""
    keep: Keep = Keep()
    messages: Messages = Messages()
    providers: Choice = Choice()
    speculation: Guesses = Guesses()
    redact: tuple[Literal["card", "cvv", "ssn"], ...] = ("card", "cvv", "ssn")


def parse_settings(given: Mapping[str, Any]) -> Settings:
    """Raises InputError naming the first member that is wrong."""
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100] or "settings"
        raise InputError(f"{where}: {first['msg'][:200]}", code="settings_invalid", stage="tenants") from None


def kept_settings(stored: Mapping[str, Any]) -> Settings:
    """As they were stored. What this release does not take (another one wrote it) counts as not set, an outcome as a
    whole; what the tenant said beside it, such as that nothing is recorded, still holds."""
    try:
        return Settings.model_validate(stored)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False, include_context=False):
            stored = _without(stored, *map(str, each["loc"][:2]))
    return Settings.model_validate(stored)


def _without(stored: Mapping[str, Any], name: str, inner: str | None = None) -> dict[str, Any]:
    """A copy that lacks the member `name`, or only what that calls `inner`."""
    group = stored.get(name)
    if inner is None or not isinstance(group, dict):
        return {key: value for key, value in stored.items() if key != name}
    return {**stored, name: {key: value for key, value in cast("dict[str, Any]", group).items() if key != inner}}


async def settings_of(scope: Scope) -> Settings:
    """Raises NotFoundError."""
    stored = await scope.value("SELECT settings FROM tenants WHERE id = %(tenant_id)s")
    if stored is None:
        raise NotFoundError("There is no such tenant.", code="tenant_unknown")
    return kept_settings(stored)


async def change_settings(scope: Scope, settings: Settings) -> None:
    """For calls from now on. Raises NotFoundError."""
    changed = await scope.run(
        "UPDATE tenants SET settings = %(settings)s WHERE id = %(tenant_id)s",
        {"settings": Jsonb(settings.model_dump(mode="json"))},
    )
    if not changed:
        raise NotFoundError("There is no such tenant.", code="tenant_unknown")
    await scope.notify(CHANNEL, f"{scope.tenant_id} 0")
