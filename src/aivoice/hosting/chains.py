"""The installation's providers, built once, and the fallback chains that calls are served by.

Every chain of the process shares the providers' health (`engine.health`). Tenants choose an order of their own among
the names that the operator's file gives, never a key or an address.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, cast

import aiohttp

from aivoice.background import in_background
from aivoice.engine.breaker import BreakerRules
from aivoice.engine.cascade_llm import Hedging, LlmCascade, LlmLimits
from aivoice.engine.cascade_stt import SttCascade, SttLimits
from aivoice.engine.cascade_tts import TtsCascade, TtsLimits
from aivoice.engine.health import Board
from aivoice.engine.notes import LlmNotes, NotesWithRules
from aivoice.engine.ports import Notes
from aivoice.errors import InputError, ProviderError, VoiceError
from aivoice.hosting.catalogue import Given, kind_of
from aivoice.hosting.provider_file import EMBEDDED, NO_FILE, STAGES, ProviderFile, Stage
from aivoice.providers.ports import (
    Checked,
    LanguageModel,
    Revised,
    SpeechStream,
    SpeechToText,
    TextToSpeech,
    Warm,
)
from aivoice.providers.rule_notes import RuleNotes
from aivoice.providers.untagged import Untagged
from aivoice.tenants.settings import Choice

WARM_EVERY_S = 20.0
"""Connections are kept open by asking so often; services close idle ones after a minute or more."""
CHECK_S = 8.0
KNOWS_TAGS = frozenset({"chatterbox"})
"""Kinds of voices that laugh at ``[laugh]``; others would read it out."""
NOTES = LlmLimits(first_s=6.0, gap_s=6.0)
"""Nobody waits for notes."""
_NEVER_PAUSED = {EMBEDDED["llm"]: BreakerRules(failures=1_000_000)}
"""The receptionist has nothing that could be down."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """How one provider does. code: "" where it is well; see `providers.failures`. text: for people."""

    stage: Stage
    name: str
    kind: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class _Built:
    stage: Stage
    kind: str
    provider: Any
    voice: str = ""


class InVoice:
    """TextToSpeech that speaks in a voice of its own, whatever the business calls its voice."""

    def __init__(self, inner: TextToSpeech, voice: str) -> None:
        self._inner, self._voice = inner, voice
        self.name, self.streams_text = inner.name, inner.streams_text

    @property
    def revision(self) -> str:
        """See `providers.ports.Revised`."""
        inner = self._inner.revision if isinstance(self._inner, Revised) else ""
        return f"{inner}@{self._voice}"

    async def open(self, *, voice: str = "default") -> SpeechStream:
        return await self._inner.open(voice=self._voice)


class Chains:
    """Made by `open_chains`. Not thread-safe: one loop.

    unusable: providers that the file names and that cannot be used (no key), with the reason for people.
    """

    def __init__(self, content: ProviderFile, built: Mapping[str, _Built], unusable: Mapping[str, str]) -> None:
        self.unusable = dict(unusable)
        self.board = Board(special=_NEVER_PAUSED)
        self._content, self._built = content, dict(built)
        self._made: dict[tuple[object, ...], Any] = {}

    # ------------------------------------------------------------ chains

    def stt(self, choice: Choice | None = None) -> SttCascade:
        names = self._names("stt", choice)
        limit = self._content.limits.stt
        limits = SttLimits() if limit is None else SttLimits(final_s=limit)
        return self._kept(("stt", names), lambda: SttCascade(self._of("stt", names), limits, board=self.board))

    def tts(self, choice: Choice | None = None) -> TtsCascade:
        names = self._names("tts", choice)
        voices = tuple((choice.voices if choice else {}).get(name, "") for name in names)
        limit = self._content.limits.tts
        limits = TtsLimits() if limit is None else TtsLimits(first_s=limit)
        return self._kept(
            ("tts", names, voices),
            lambda: TtsCascade(
                [self._in_voice(name, voice) for name, voice in zip(names, voices, strict=True)],
                limits,
                board=self.board,
            ),
        )

    def llm(self, receptionist: LanguageModel, choice: Choice | None = None) -> LlmCascade:
        """receptionist: of the business; it stands where the chain names it. Never kept: it belongs to one context."""
        limit, hedge = self._content.limits.llm, self._content.hedging
        models = [
            receptionist if name == EMBEDDED["llm"] else cast("LanguageModel", self._built[name].provider)
            for name in self._names("llm", choice)
        ]
        return LlmCascade(
            models,
            LlmLimits() if limit is None else LlmLimits(first_s=limit),
            hedging=Hedging(hedge.share, least_s=hedge.least_ms / 1_000) if hedge.llm else None,
            board=self.board,
        )

    def notes(self, today: Callable[[], date], choice: Choice | None = None) -> Notes:
        """Who keeps the state and the summaries of calls: the language models of the chain, with rules behind them;
        the rules alone where there is none."""
        rules = RuleNotes(today)
        names = tuple(name for name in self._names("llm", choice) if name != EMBEDDED["llm"])
        if not names:
            return rules
        models = [cast("LanguageModel", self._built[name].provider) for name in names]
        chain = self._kept(("notes", names), lambda: LlmCascade(models, NOTES, board=self.board))
        return NotesWithRules(LlmNotes(chain), rules)

    def hears_embedded(self, choice: Choice | None = None) -> bool:
        """Whether the first recogniser is the embedded one, whose full stops say less than a service's."""
        return self._names("stt", choice)[0] == EMBEDDED["stt"]

    # ------------------------------------------------------------ health

    async def warm(self) -> None:
        """Open what the next call needs. Never raises; bounded by each provider's own limits."""
        await asyncio.gather(
            *(each.provider.warm() for each in self._built.values() if isinstance(each.provider, Warm)),
            return_exceptions=True,
        )

    async def keep_warm(self) -> None:
        """Until it is cancelled."""
        while True:
            await self.warm()
            await asyncio.sleep(WARM_EVERY_S)

    def told(self) -> list[dict[str, Any]]:
        """How each provider that was in a chain does, as JSON objects (`engine.health.Told`)."""
        return [asdict(each) for each in self.board.told(asyncio.get_running_loop().time())]

    async def check(self) -> list[Finding]:
        """Ask every service that the file names whether it takes our key, model and voice; at most `CHECK_S`."""
        return await _check(self._content, self._built, self.unusable)

    async def aclose(self) -> None:
        for chain in list(self._made.values()):
            await chain.aclose()

    # ------------------------------------------------------------ names

    def _names(self, stage: Stage, choice: Choice | None) -> tuple[str, ...]:
        """Of the providers that can be used; a tenant's unknown names count as not said."""
        wanted = getattr(choice, stage) if choice is not None else None
        if wanted is not None:
            known = tuple(name for name in wanted if self._is(name, stage) or name in self.unusable)
            if known != wanted:
                _log.error("a tenant names %s providers that this installation does not have", stage)
            wanted = known or None
        names = tuple(name for name in self._content.chain(stage, wanted) if self._is(name, stage))
        return names or (EMBEDDED[stage],)

    def _is(self, name: str, stage: Stage) -> bool:
        return name == EMBEDDED[stage] or (name in self._built and self._built[name].stage == stage)

    def _of(self, stage: Stage, names: tuple[str, ...]) -> list[SpeechToText]:
        return [cast("SpeechToText", self._built[name].provider) for name in names]

    def _in_voice(self, name: str, voice: str) -> TextToSpeech:
        each = self._built[name]
        provider = cast("TextToSpeech", each.provider)
        if each.kind not in KNOWS_TAGS:
            provider = Untagged(provider)
        wanted = voice or each.voice
        return InVoice(provider, wanted) if wanted else provider

    def _kept(self, key: tuple[object, ...], make: Any) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def embedded_chains(stt: SpeechToText, tts: TextToSpeech) -> Chains:
    """Chains of these two and the receptionist alone."""
    built = {EMBEDDED["stt"]: _Built("stt", "embedded", stt), EMBEDDED["tts"]: _Built("tts", "embedded", tts)}
    return Chains(NO_FILE, built, {})


@asynccontextmanager
async def open_chains(content: ProviderFile, *, stt: SpeechToText, tts: TextToSpeech) -> AsyncGenerator[Chains]:
    """While the block runs. stt, tts: the embedded ones. A provider whose key is missing is left out (`unusable`).

    Raises InputError or MissingModelError, one line: a kind that there is not, an option that its kind does not take, a
    model that is not there; a chain of which nothing can be used where `fallback` is false.
    """
    async with AsyncExitStack() as stack:
        built, unusable = await _build(stack, content)
        built |= {
            EMBEDDED["stt"]: _Built("stt", "embedded", stt),
            EMBEDDED["tts"]: _Built("tts", "embedded", tts),
        }
        _check_stages(content, built, unusable)
        chains = Chains(content, built, unusable)
        stack.push_async_callback(chains.aclose)
        if content.providers:
            await stack.enter_async_context(in_background({"keeping connections warm": chains.keep_warm}))
        yield chains


async def check_services(content: ProviderFile) -> list[Finding]:
    """`Chains.check` without a server. Raises as `open_chains` does for what cannot be built."""
    async with AsyncExitStack() as stack:
        return await _check(content, *await _build(stack, content))


async def _build(stack: AsyncExitStack, content: ProviderFile) -> tuple[dict[str, _Built], dict[str, str]]:
    """The services of the file that can be used, and why the others cannot."""
    http = await stack.enter_async_context(aiohttp.ClientSession())
    built: dict[str, _Built] = {}
    unusable: dict[str, str] = {}
    for name, entry in content.providers.items():
        kind = kind_of(name, entry)
        key = await asyncio.to_thread(entry.key.read) if entry.key is not None else ""
        if not key and (kind.key or entry.key is not None):
            where = entry.key.where() if entry.key is not None else "the file: say `key: {env: …}`"
            unusable[name] = f"{name} has no key in {where}"
            continue
        given = Given(name, entry, key, http)
        # Imports take seconds; no call runs yet that would wait for them.
        provider = kind.build(given) if kind.main_thread else await asyncio.to_thread(kind.build, given)
        close = getattr(provider, "aclose", None)
        if close is not None:
            stack.push_async_callback(close)
        built[name] = _Built(kind.stage, entry.kind, provider, entry.voice)
    return built, unusable


async def _check(content: ProviderFile, built: Mapping[str, _Built], unusable: Mapping[str, str]) -> list[Finding]:
    services = [(name, each) for name, each in built.items() if name not in EMBEDDED.values()]
    found = list(await asyncio.gather(*(_check_one(name, each) for name, each in services)))
    for name, why in unusable.items():
        entry = content.providers[name]
        found.append(Finding(kind_of(name, entry).stage, name, entry.kind, "no_key", why))
    return sorted(found, key=lambda each: (STAGES.index(each.stage), each.name))


async def _check_one(name: str, each: _Built) -> Finding:
    if not isinstance(each.provider, Checked):
        return Finding(each.stage, name, each.kind, "", "cannot be asked without a call")
    code, text = "", "is there and takes our key, model and voice"
    try:
        async with asyncio.timeout(CHECK_S):
            await each.provider.check()
    except VoiceError as error:
        code, text = error.code, str(error)
    except TimeoutError:
        code, text = "timeout", f"{name} does not answer within {CHECK_S:.0f} s"
    return Finding(each.stage, name, each.kind, code, text)


def _check_stages(content: ProviderFile, built: Mapping[str, _Built], unusable: Mapping[str, str]) -> None:
    for stage in STAGES:
        names = content.chain(stage)
        for name in names:
            if name in built and built[name].stage != stage:
                what = f"chains.{stage}: {name} is a provider for {built[name].stage}, not for {stage}"
                raise InputError(what, code="providers_invalid", stage="providers")
        if not any(name in built or name == EMBEDDED[stage] for name in names):
            why = "; ".join(unusable[name] for name in names if name in unusable)
            raise ProviderError(f"no {stage} provider can be used: {why}", code="bad_key", stage=stage)
