"""Puts a house together: business files, embedded models behind fallback chains, clips, knowledge, tools, services."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp

from aivoice import __version__
from aivoice.api.directory import BusinessInfo
from aivoice.business.key_terms import key_terms
from aivoice.business.load import load_business
from aivoice.business.local_service import Clock, local_service
from aivoice.business.message_log import MessageLog
from aivoice.business.model import Business
from aivoice.business.speakable import speakable
from aivoice.business.tools import BusinessTools
from aivoice.core.config import CallConfig
from aivoice.engine.breaker import BreakerRules
from aivoice.engine.cascade_llm import LlmCascade
from aivoice.engine.cascade_stt import SttCascade
from aivoice.engine.cascade_tts import TtsCascade
from aivoice.engine.cascade_vad import VadCascade
from aivoice.engine.session import Providers
from aivoice.errors import InputError
from aivoice.hosting.calls import Hosted, NoTransfers
from aivoice.hosting.clip_store import cache_folder, make_clips
from aivoice.knowledge.search import Knowledge
from aivoice.providers.embedded.bundle import EmbeddedSet
from aivoice.providers.inference import InferenceSettings
from aivoice.providers.ports import Embedder
from aivoice.providers.receptionist import Receptionist
from aivoice.providers.rule_notes import RuleNotes
from aivoice.providers.untagged import Untagged

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class House:
    """What runs: businesses by id, in the order given, and the models they share."""

    hosted: Mapping[str, Hosted]
    models: EmbeddedSet

    def infos(self) -> list[BusinessInfo]:
        return [hosted.info() for hosted in self.hosted.values()]


@asynccontextmanager
async def open_house(
    paths: Sequence[Path],
    *,
    progress: Progress,
    clock: Clock | None = None,
    inference: InferenceSettings | None = None,
    cache: Path | None = None,
    messages: Path | None = None,
) -> AsyncGenerator[House]:
    """Everything that calls need, while the block runs; bounded in ending (≤ 2 s).

    clock: local wall clock of the businesses' services (tests fix it). cache: folder of made clips (None: the user's).
    messages: file that messages of callers are appended to (None: they are kept in memory and in the calls' files).
    Raises BusinessFileError, MissingModelError, ProviderError or ServiceError: one line that says what to do.
    """
    businesses = [load_business(path) for path in paths]  # all are checked before anything slow begins
    if not businesses:
        raise InputError("no business file was named: give the path of a business.yaml", stage="business")
    async with AsyncExitStack() as stack:
        models = await stack.enter_async_context(EmbeddedSet.start(progress=progress, given=inference))
        stt = SttCascade([models.stt])
        tts = TtsCascade([Untagged(models.tts)])
        vad = VadCascade([models.vad, models.vad_fallback])
        for chain in (stt, tts, vad):
            stack.push_async_callback(chain.aclose)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        log = MessageLog(messages) if messages is not None else None
        hosted: dict[str, Hosted] = {}
        for business in businesses:
            url = await stack.enter_async_context(local_service(business, clock))
            tools = BusinessTools(business, session, service_url=url, on_message=log)
            identity = _identity(business, hosted)
            llm = LlmCascade([Receptionist(business)], rules=BreakerRules(failures=1_000_000))
            stack.push_async_callback(llm.aclose)
            hosted[identity] = await host_business(
                business,
                identity=identity,
                providers=Providers(stt, llm, tts, vad, RuleNotes(_today(business))),
                embedder=models.embedder,
                tools=tools,
                cache=cache or cache_folder(),
                progress=progress,
            )
        yield House(hosted, models)


async def host_business(
    business: Business,
    *,
    identity: str,
    providers: Providers,
    embedder: Embedder | None,
    tools: BusinessTools | None,
    cache: Path | None,
    progress: Progress,
) -> Hosted:
    """One business: its clips spoken, its knowledge indexed."""
    say = speakable(business.lexicon)

    def told(done: int, of: int) -> None:
        if done in (1, of) or done % 10 == 0:
            progress(f"{business.name}: {done} of {of} sentences spoken")

    progress(f"{business.name}: indexing its knowledge")
    knowledge, clips = await asyncio.gather(
        Knowledge.build((*business.facts(), *business.documents), embedder),
        make_clips(
            providers.tts,
            business.clips(),
            say,
            voice=business.voice,
            release=__version__,
            cache=cache,
            progress=told,
        ),
    )
    config = replace(business.call_config(), retrieval=True, tts_streams_text=providers.tts.streams_text)
    config = replace(config, note_taking=providers.notes is not None)
    return Hosted(
        id=identity,
        business=business,
        config=with_whisper(config),
        providers=providers,
        clips=clips,
        tools=tools,
        retriever=knowledge,
        transfers=NoTransfers(),
        speakable=say,
        key_terms=key_terms(business),
    )


def with_whisper(config: CallConfig) -> CallConfig:
    """What a call by the embedded ears is decided by. Whisper ends everything with a full stop, also what a pause cut
    off, so a statement is waited for as long as callers pause; less where Whisper is sure of its stop (ADR 0040)."""
    return replace(config, endpointing=replace(config.endpointing, full_stops=False, loose=1_300, stated=1_000))


def _today(business: Business) -> Callable[[], date]:
    zone = ZoneInfo(business.timezone)
    return lambda: datetime.now(zone).date()


def _identity(business: Business, taken: Mapping[str, Hosted]) -> str:
    """A short name for addresses: the file's folder, made unique."""
    base = re.sub(r"[^a-z0-9]+", "-", business.path.resolve().parent.name.lower()).strip("-") or "business"
    identity, number = base, 2
    while identity in taken:
        identity, number = f"{base}-{number}", number + 1
    return identity


def examples_folder() -> Path | None:
    """The examples of the source checkout, where there is one."""
    folder = Path(__file__).resolve().parents[3] / "examples"
    return folder if folder.is_dir() else None


def example_files() -> list[Path]:
    """The example businesses, the dental practice first. Raises InputError where there are none."""
    folder = examples_folder()
    found = sorted(folder.glob("*/business.yaml"), reverse=True) if folder is not None else []
    if not found:
        raise InputError("no business file was named, and the examples are not here: give a business.yaml", stage="cli")
    return found
