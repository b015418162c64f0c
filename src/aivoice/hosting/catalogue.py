"""The kinds of providers that ``providers.yaml`` may name. What a kind needs is imported when one is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from aivoice.errors import InputError
from aivoice.hosting.provider_file import Entry, Stage


@dataclass(frozen=True, slots=True)
class Given:
    """What a provider is built from. key: "" where it has none. http: shared by all; closed after them."""

    name: str
    entry: Entry
    key: str
    http: aiohttp.ClientSession

    def options(self, cls: type[Any]) -> Any:
        """The entry's options as a `cls`. Raises InputError naming one that it does not know or cannot be."""
        try:
            return cls(**self.entry.options)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"provider {self.name}: options: {str(error)[:160]}", code="providers_invalid", stage="providers"
            ) from None

    def url(self, default: str) -> str:
        return self.entry.url or default


@dataclass(frozen=True, slots=True)
class Kind:
    """stage: what it does. build: raises InputError or MissingModelError, one line. key: it is of no use without one.
    members: of the entry that must not be empty."""

    stage: Stage
    build: Callable[[Given], Any]
    key: bool = True
    members: tuple[str, ...] = ()


def _claude(given: Given) -> object:
    from aivoice.providers.claude import Claude, ClaudeOptions
    from aivoice.providers.claude.model import MODEL, URL

    return Claude(
        key=given.key,
        name=given.name,
        model=given.entry.model or MODEL,
        url=given.url(URL),
        options=given.options(ClaudeOptions),
    )


def _deepgram(given: Given) -> object:
    from aivoice.providers.deepgram import DeepgramNova, NovaOptions
    from aivoice.providers.deepgram.wire import HOST

    return DeepgramNova(
        given.http,
        key=given.key,
        name=given.name,
        model=given.entry.model or "nova-3",
        url=given.url(HOST),
        options=given.options(NovaOptions),
    )


def _flux(given: Given) -> object:
    from aivoice.providers.deepgram import DeepgramFlux, FluxOptions
    from aivoice.providers.deepgram.wire import HOST

    return DeepgramFlux(
        given.http,
        key=given.key,
        name=given.name,
        model=given.entry.model or "flux-general-en",
        url=given.url(HOST),
        options=given.options(FluxOptions),
    )


KINDS: Mapping[str, Kind] = {
    "deepgram": Kind("stt", _deepgram),
    "deepgram-flux": Kind("stt", _flux),
    "claude": Kind("llm", _claude),
}


def kind_of(name: str, entry: Entry) -> Kind:
    """Raises InputError: there is no such kind, or the entry lacks what it needs."""
    kind = KINDS.get(entry.kind)
    if kind is None:
        raise InputError(
            f"provider {name}: there is no kind {entry.kind}: it is one of {', '.join(sorted(KINDS))},",
            code="providers_invalid",
            stage="providers",
        )
    for member in kind.members:
        if not getattr(entry, member):
            raise InputError(
                f"provider {name}: a {entry.kind} needs `{member}`", code="providers_invalid", stage="providers"
            )
    return kind
