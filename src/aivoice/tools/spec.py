"""A tool that a tenant registered: what it is, what it may do, and when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from aivoice.core.prompt import ToolSpec
from aivoice.tools.errors import ToolShapeError
from aivoice.tools.guard import Guard
from aivoice.tools.limits import DEFAULT_RATE, Rate
from aivoice.tools.schema import checkable

MAX_DEFINITION = 64 * 1024

When = Literal["always", "open", "closed"]


@dataclass(frozen=True, slots=True)
class Permissions:
    """What must be so before a tool runs. Decided by the tenant's definition alone: nothing that a tool, a caller or a
    model says changes it. hours: only while the business is open (or closed)."""

    caller_verified: bool = False
    confirmation: bool = False
    hours: When = "always"


ANY_TIME = Permissions()


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What the call path knows of a call. The defaults refuse whatever asks for more."""

    caller_verified: bool = False
    confirmed: bool = False
    open_now: bool | None = None


def refusal(permissions: Permissions, facts: CallFacts) -> str:
    """Why the tool may not run now (``caller_not_verified`` …), or ""."""
    if permissions.caller_verified and not facts.caller_verified:
        return "caller_not_verified"
    if permissions.hours != "always" and facts.open_now is not (permissions.hours == "open"):
        return "outside_hours"
    if permissions.confirmation and not facts.confirmed:
        return "confirmation_needed"
    return ""


@dataclass(frozen=True, slots=True)
class WebTool:
    """parameters: as the model reads it. arguments, result: the checked parts of the schemas (`schema.checkable`;
    result None: any JSON object)."""

    name: str
    description: str
    url: str
    side_effects: bool
    parameters: dict[str, Any] = field(hash=False)
    arguments: dict[str, Any] = field(hash=False)
    result: dict[str, Any] | None = field(default=None, hash=False)
    permissions: Permissions = ANY_TIME
    rate: Rate = DEFAULT_RATE
    fillers: tuple[str, ...] = ()
    time_limit_ms: int = 5_000

    def spec(self) -> ToolSpec:
        """What the model and the core see."""
        return ToolSpec(
            self.name, self.description, self.parameters, self.side_effects, self.fillers, self.time_limit_ms
        )


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Permissions(_Strict):
    caller_verified: bool = False
    confirmation: bool = False
    hours: When = "always"


class _Rate(_Strict):
    per_minute: Annotated[int, Field(ge=1, le=6_000)] = 60
    burst: Annotated[int, Field(ge=1, le=1_000)] = 20


class ToolForm(_Strict):
    """The JSON of a tool, for the API's schema."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    description: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
    url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    side_effects: bool
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    result_schema: dict[str, Any] | None = None
    permissions: _Permissions = _Permissions()
    rate: _Rate = _Rate()
    fillers: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=500)], ...], Field(max_length=10)
    ] = ()
    time_limit_ms: Annotated[int, Field(ge=100, le=60_000)] = 5_000


BUILT_IN = frozenset(("transfer", "end_call", "take_message", "request_callback"))


def parse_tool(form: Mapping[str, Any], guard: Guard) -> WebTool:
    """Check a definition as the API and the store have it. Raises ToolShapeError naming the member, AddressError."""
    if len(json.dumps(form, default=str)) > MAX_DEFINITION:
        raise ToolShapeError(f"a tool's definition has at most {MAX_DEFINITION // 1024} KiB")
    try:
        checked = ToolForm.model_validate(form)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100] or "definition"
        raise ToolShapeError(f"{where}: {first['msg'][:200]}") from None
    if checked.name in BUILT_IN:
        raise ToolShapeError(f"name: {checked.name} is built in: choose another name")
    if checked.parameters.setdefault("type", "object") != "object":
        raise ToolShapeError("parameters: they must describe an object: set `type: object`")
    guard.check(checked.url)
    permissions = checked.permissions
    return WebTool(
        checked.name,
        checked.description,
        checked.url,
        checked.side_effects,
        checked.parameters,
        checkable(checked.parameters, "parameters"),
        None if checked.result_schema is None else checkable(checked.result_schema, "result_schema"),
        Permissions(permissions.caller_verified, permissions.confirmation, permissions.hours),
        Rate(checked.rate.per_minute, checked.rate.burst),
        checked.fillers,
        checked.time_limit_ms,
    )
