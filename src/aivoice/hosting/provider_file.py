"""``providers.yaml``: which services an installation may use, in which order, and where their keys are (ADR 0090).

    providers:
      deepgram:   {kind: deepgram, model: nova-3, key: {env: DEEPGRAM_API_KEY}}
      claude:     {kind: claude, model: claude-haiku-4-5, key: {env: ANTHROPIC_API_KEY}}
      chatterbox: {kind: chatterbox, url: "http://gpu.internal:8004", voice: front-desk, key: {file: /run/secrets/tts}}
    chains:
      stt: [deepgram]
      llm: [claude]
      tts: [chatterbox]

A key is never written into the file. Docs: docs/providers.md.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from aivoice.business.yaml_source import MAX_BYTES, Problem, Source, read_yaml
from aivoice.errors import InputError

FILE = "providers.yaml"
"""Its name in the data folder."""
ENVIRONMENT = "AIVOICE_PROVIDERS"
Stage = Literal["stt", "llm", "tts"]
STAGES: tuple[Stage, ...] = ("stt", "llm", "tts")
EMBEDDED: dict[Stage, str] = {"stt": "embedded-stt", "llm": "receptionist", "tts": "embedded-tts"}
"""What every installation has without an account, at the end of every chain."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
_MOST_KEY_BYTES = 4096


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeyAt(_Strict):
    """Where a key is: an environment variable, or a file whose first line it is."""

    env: str = ""
    file: str = ""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.env) == bool(self.file):
            raise ValueError("say where the key is: env (a variable) or file (a path), one of them")
        return self

    def read(self) -> str:
        """The key; "" where there is none. Blocking for files."""
        if self.env:
            return os.environ.get(self.env, "").strip()
        try:
            with Path(self.file).open("rb") as file:
                return file.read(_MOST_KEY_BYTES).decode("utf-8", "replace").partition("\n")[0].strip()
        except OSError:
            return ""

    def where(self) -> str:
        """For people."""
        return f"the variable {self.env}" if self.env else f"the file {self.file}"


class Entry(_Strict):
    """One provider. kind: see `hosting.catalogue`. voice: of a voice provider, where the tenant names none. options: of
    its kind."""

    kind: str
    model: str = ""
    voice: str = ""
    url: str = ""
    key: KeyAt | None = None
    options: dict[str, Any] = {}


class Limits(_Strict):
    """Seconds to the first useful output of one provider (stt: to the final after the end of speech), and between
    outputs afterwards. null: as the product has it."""

    stt: Annotated[float, Field(gt=0, le=30)] | None = None
    llm: Annotated[float, Field(gt=0, le=30)] | None = None
    tts: Annotated[float, Field(gt=0, le=30)] | None = None


class Hedge(_Strict):
    """Ask the second language model beside the first one that takes longer than it does in `share` of its requests."""

    llm: bool = False
    share: Annotated[float, Field(ge=0.5, le=0.999)] = 0.95
    least_ms: Annotated[int, Field(ge=50, le=10_000)] = 300


class ProviderFile(_Strict):
    """The file's content. fallback: the embedded providers stand at the end of each chain that does not name them.
    prices: rows of `billing.prices`."""

    providers: dict[Name, Entry] = {}
    chains: dict[Stage, Annotated[tuple[Name, ...], Field(max_length=8)]] = {}
    fallback: bool = True
    hedging: Hedge = Hedge()
    limits: Limits = Limits()
    prices: tuple[dict[str, Any], ...] = ()

    def chain(self, stage: Stage, wanted: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Names of the stage's providers, in order. wanted: a tenant's own order instead of the installation's."""
        named = self.chains.get(stage, ()) if wanted is None else wanted
        last = EMBEDDED[stage]
        return named if last in named or (named and not self.fallback) else (*named, last)


NO_FILE = ProviderFile()
"""Everything embedded."""


class ProviderFileError(InputError):
    """The file cannot be used. One line: ``file:line:column: what is wrong and what to do``."""

    code, stage = "providers_invalid", "providers"


@dataclass(frozen=True, slots=True)
class Found:
    """path: None: there is none, and everything is embedded."""

    path: Path | None
    content: ProviderFile


def find_providers(data: Path, given: Path | None = None) -> Found:
    """The file that was given, or that the environment names, or that lies in the data folder. Blocking.

    Raises ProviderFileError: it cannot be read, is no such file, or names what it does not describe.
    """
    named = given or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    path = named or data / FILE
    if named is None and not path.is_file():
        return Found(None, NO_FILE)
    return Found(path, load_providers(path))


def load_providers(path: Path) -> ProviderFile:
    """Raises ProviderFileError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ProviderFileError(f"{path}: larger than {MAX_BYTES // 1024} KiB: make it smaller")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ProviderFileError(f"{path}: cannot be read ({reason}): check the path") from None
    source = read_yaml(text, typed=lambda _: True)
    if source.problems:
        raise _told(path, source.problems[0])
    try:
        content = ProviderFile.model_validate(source.value or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise _at(path, source, tuple(first["loc"]), str(first["msg"]).removeprefix("Value error, ")) from None
    _check_names(path, source, content)
    return content


def _check_names(path: Path, source: Source, content: ProviderFile) -> None:
    known = {*content.providers, *EMBEDDED.values()}
    for name in EMBEDDED.values():
        if name in content.providers:
            raise _at(path, source, ("providers", name), f"{name} is the product's own name: choose another")
    for stage, names in content.chains.items():
        for index, name in enumerate(names):
            if name not in known or (name in EMBEDDED.values() and name != EMBEDDED[stage]):
                what = f"nothing here is called {name}: it is one of {', '.join(sorted(known))}"
                raise _at(path, source, ("chains", stage, index), what)
        if len(set(names)) != len(names):
            raise _at(path, source, ("chains", stage), "a provider stands here twice: remove one")


def _at(path: Path, source: Source, where: tuple[str | int, ...], what: str) -> ProviderFileError:
    line, column = source.position(where)
    member = ".".join(str(part) for part in where)[:80]
    return _told(path, Problem(line, column, f"{member}: {what}"))


def _told(path: Path, problem: Problem) -> ProviderFileError:
    at = f":{problem.line}:{problem.column}" if problem.line else ""
    return ProviderFileError(f"{path}{at}: {problem.text}")
