"""What a simulated caller says, as data: a YAML file beside the business file (``caller.yaml``)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from aivoice.errors import InputError

Text = Annotated[str, Field(min_length=1, max_length=400)]


class ScriptError(InputError):
    """A caller's script cannot be used."""

    code, stage = "script_invalid", "cli"


class Line(BaseModel):
    """Said when its turn comes: after the agent has finished, or, with `interrupt_after`, that many seconds after the
    agent's next reply began to sound."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    say: Text
    interrupt_after: Annotated[float, Field(ge=0.2, le=20)] | None = None


class Answer(BaseModel):
    """Said when the agent has finished and its last words match `when` (a regular expression, case ignored)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: Text
    say: Text
    times: Annotated[int, Field(ge=1, le=10)] = 2

    @field_validator("when")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        return value


class CallerScript(BaseModel):
    """voice: of the caller (another one than the agent's). answers come before the next line, which waits.

    goodbye: said when nothing is left. limit_s: the caller hangs up then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    voice: str = "low"
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=100)]
    answers: tuple[Answer, ...] = ()
    goodbye: str = "That's all, thank you. Goodbye."
    limit_s: Annotated[float, Field(gt=0, le=1_800)] = 180.0


def load_script(path: Path) -> CallerScript:
    """Raises ScriptError: one line with file and place."""
    try:
        value: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScriptError(
            f"{path}: there is no script for the simulated caller: write one (examples/*/caller.yaml show how), name "
            "another with --script, or give a recording with --audio"
        ) from None
    except OSError as error:
        raise ScriptError(f"{path}: {error.strerror or 'cannot be read'}") from None
    except UnicodeDecodeError:
        raise ScriptError(f"{path}: this is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ScriptError(f"{path}{where}: this is not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError):
        raise ScriptError(f"{path}: this is not YAML") from None
    except RecursionError:
        raise ScriptError(f"{path}: nested too deeply: make it flatter") from None
    try:
        return CallerScript.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"]) or "the file"
        raise ScriptError(f"{path}: {where}: {first['msg']}") from None
