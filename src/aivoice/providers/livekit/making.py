"""Making plugin objects from what a provider's entry says."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import aiohttp

from aivoice.errors import InputError, MissingModelError

_PLUGIN = re.compile(r"[a-z][a-z0-9_]*\Z")
_DOES = {"LLM": "language model", "TTS": "voice", "STT": "recogniser"}


def loaded(name: str, plugin: str, cls: Literal["LLM", "TTS", "STT"]) -> Any:
    """The class `cls` of livekit.plugins.<plugin>. Raises MissingModelError naming the package, InputError."""
    if not _PLUGIN.match(plugin):
        raise _invalid(name, "a plugin is named in lower case, as in livekit.plugins.<name>")
    try:
        found = importlib.import_module(f"livekit.plugins.{plugin}")
    except ImportError:
        raise MissingModelError(
            f"provider {name}: its plugin is not installed: pip install livekit-plugins-{plugin.replace('_', '-')}",
            code="model_missing",
            stage="provider",
        ) from None
    if not hasattr(found, cls):
        raise _invalid(name, f"the plugin {plugin} has no {_DOES[cls]}")
    return getattr(found, cls)


def parameters(cls: Any) -> Mapping[str, inspect.Parameter]:
    """What making a `cls` takes."""
    return inspect.signature(cls).parameters


def made(name: str, cls: Any, arguments: Mapping[str, Any]) -> Any:
    """An object of `cls`. Raises InputError naming an option that it does not know or cannot be."""
    known = parameters(cls)
    if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in known.values()):
        for option in arguments:
            if option not in known:
                raise _invalid(name, f"options: its plugin knows no `{option}`")
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise _invalid(name, str(error).splitlines()[0][:160]) from None


def taken(
    name: str,
    cls: Any,
    http: aiohttp.ClientSession,
    *,
    model: str,
    key: str,
    url: str,
    options: Mapping[str, Any] | None,
    tokenizer: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """The arguments by which `cls` takes these. Raises InputError where it has none for one that is given."""
    known = parameters(cls)
    given: dict[str, Any] = {}
    for what, value, members in (
        ("model", model, ("model",)),
        ("key", key, ("api_key",)),
        ("url", url, ("base_url", "api_url", "url")),
    ):
        if not value:
            continue
        member = next((each for each in members if each in known), None)
        if member is None:
            raise _invalid(name, f"its plugin takes no `{what}`: name it among the options")
        given[member] = value
    if "http_session" in known:
        given["http_session"] = http
    if "max_retries" in known:
        given["max_retries"] = 0
    if tokenizer is not None:
        # only where one of sentences is expected: for one of words, a plugin may speak another protocol
        given.update({each: tokenizer() for each in known if "SentenceTokenizer" in str(known[each].annotation)})
    return {**given, **(options or {})}


def _invalid(name: str, why: str) -> InputError:
    return InputError(f"provider {name}: {why}", code="providers_invalid", stage="providers")
