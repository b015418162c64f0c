"""Makes calls: a transport, a business and the shared providers become a running session with its files."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self
from zoneinfo import ZoneInfo

from aivoice.api.directory import BusinessInfo
from aivoice.api.hub import CallHub
from aivoice.audio.echo import EchoCanceller
from aivoice.audio.pacer import Pacer
from aivoice.business.model import Business
from aivoice.core.commands import Command
from aivoice.core.config import CallConfig
from aivoice.core.events import Event
from aivoice.engine.clips import Speakable
from aivoice.engine.disk import DiskError
from aivoice.engine.journal import FileJournal
from aivoice.engine.ports import ClipStore, Credit, Observer, RecorderSink, Retriever, ToolRunner, TransferDesk
from aivoice.engine.recorder import Recorder
from aivoice.engine.session import CallSession, Providers
from aivoice.providers.chatterbox import speaking_for
from aivoice.traces.build import build_trace
from aivoice.traces.files import write_trace_files
from aivoice.transports.echo_cancelled import EchoCancelled
from aivoice.transports.ports import Transport
from aivoice.transports.webrtc import DEFAULTS, WebRtcSettings, answer

RECORDING, JOURNAL = "recording.wav", "journal.jsonl"

_log = logging.getLogger(__name__)


class Files(Protocol):
    """The files of one call."""

    @property
    def recorder(self) -> RecorderSink | None: ...

    def observe(self, at_us: int, item: Event | Command) -> None:
        """`engine.ports.Observer`: the journal."""
        ...

    async def close(self, hub: CallHub) -> None:
        """Finish them. A disk that fails is logged: the call has ended all the same."""
        ...


@dataclass(frozen=True, slots=True)
class Hosted:
    """A business, ready to answer. config: as its file says, with the voice's and the knowledge's settings."""

    id: str
    business: Business
    config: CallConfig
    providers: Providers
    clips: ClipStore | None
    tools: ToolRunner | None
    retriever: Retriever | None
    transfers: TransferDesk | None
    speakable: Speakable
    key_terms: tuple[str, ...] = ()

    def info(self) -> BusinessInfo:
        """What pages may know of it."""
        clips, lines = self.config.clips, self.business.limits.concurrent_calls
        return BusinessInfo(self.id, self.business.name, clips.get("greeting", ""), clips, lines)


Ended = Callable[[str], None]
"""Told a call's reason once its files are whole, before anybody who waits for its end. Must not block or raise."""


def _nobody(reason: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Taken:
    """A call that somebody answers. caller: their number, as far as it is known. keep: plain files in the call's
    folder; else `files`, if any. credit: None: nobody pays for it."""

    hosted: Hosted
    caller: str = ""
    credit: Credit | None = None
    files: Files | None = None
    observers: tuple[Observer, ...] = ()
    ended: Ended = _nobody
    keep: bool = True
    began: Callable[[HostedCall], None] = lambda _: None


class HostedCall:
    """One running call; `api.desk.LiveCall`. Its files are whole when `wait_closed` returns."""

    def __init__(self, session: CallSession, answer_sdp: str = "") -> None:
        self.answer_sdp = answer_sdp
        self.reason = ""
        self._session = session
        self._closed = asyncio.Event()

    @property
    def id(self) -> str:
        return self._session.call_id

    async def hang_up(self, reason: str) -> None:
        if not self._closed.is_set():
            self._session.hang_up(reason)
        await self._closed.wait()

    def press(self, digit: str) -> None:
        self._session.on_dtmf(digit)

    async def wait_closed(self) -> str:
        await self._closed.wait()
        return self.reason

    def closed(self, reason: str) -> None:
        """For `Calls` only."""
        self.reason = reason
        self._closed.set()


class Calls:
    """``async with Calls(…) as calls``: `api.desk.CallFactory`. Leaving the block hangs up what still runs.

    wall_clock: gives the time in a zone. pacer: None makes one for this loop, closed at the end.
    """

    def __init__(
        self,
        hosted: Mapping[str, Hosted],
        *,
        wall_clock: Callable[[ZoneInfo], datetime] = datetime.now,
        pacer: Pacer | None = None,
        webrtc: WebRtcSettings = DEFAULTS,
    ) -> None:
        self._hosted = dict(hosted)
        self._wall_clock = wall_clock
        self._given_pacer = pacer
        self._webrtc = webrtc
        self._running: dict[str, tuple[HostedCall, asyncio.Task[None]]] = {}

    async def __aenter__(self) -> Self:
        self.pacer = self._given_pacer or Pacer(asyncio.get_running_loop())
        # Its native library takes 0.2 s to load, which no call shall wait for.
        await asyncio.to_thread(EchoCanceller)
        return self

    async def __aexit__(self, *error: object) -> None:
        running = [self._running[call_id] for call_id in sorted(self._running)]
        await asyncio.gather(*(call.hang_up("shutdown") for call, _ in running))
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)
        if self._given_pacer is None:
            self.pacer.close()

    # ------------------------------------------------------------ starting

    async def start(
        self, offer_sdp: str, *, call_id: str, business: BusinessInfo, directory: Path, hub: CallHub
    ) -> HostedCall:
        """Answer a WebRTC offer. Raises InputError for an offer that cannot be answered, DiskError for the folder."""
        text, leg = await answer(offer_sdp, pacer=self.pacer, settings=self._webrtc)
        transport = EchoCancelled(leg)
        try:
            return self.take(
                transport, call_id=call_id, business=business, directory=directory, hub=hub, answer_sdp=text
            )
        except BaseException:
            await transport.close("failed")
            raise

    def take(
        self,
        transport: Transport,
        *,
        call_id: str,
        business: BusinessInfo,
        directory: Path,
        hub: CallHub,
        answer_sdp: str = "",
    ) -> HostedCall:
        """Answer a call of `business` that comes by any transport. Raises DiskError for the folder."""
        taken = self._take(call_id, business, hub)
        files = CallFiles(directory, call_id, taken.hosted) if taken.keep else taken.files
        return self.run(transport, call_id=call_id, taken=taken, files=files, hub=hub, answer_sdp=answer_sdp)

    def _take(self, call_id: str, business: BusinessInfo, hub: CallHub) -> Taken:
        """What answers the call. Raises VoiceError."""
        return Taken(self._hosted[business.id])

    def run(
        self,
        transport: Transport,
        *,
        call_id: str,
        taken: Taken,
        files: Files | None,
        hub: CallHub,
        answer_sdp: str = "",
    ) -> HostedCall:
        """Start a call on any transport. files: None: none are kept."""
        hosted = taken.hosted
        watching: tuple[Observer, ...] = (hub.publish, *taken.observers)
        zone = ZoneInfo(hosted.business.timezone)
        session = CallSession(
            call_id=call_id,
            transport=transport,
            providers=hosted.providers,
            config=hosted.config,
            clips=hosted.clips,
            tools=hosted.tools,
            retriever=hosted.retriever,
            transfers=hosted.transfers,
            credit=taken.credit,
            recorder=None if files is None else files.recorder,
            observers=watching if files is None else (files.observe, *watching),
            pacer=self.pacer,
            speakable=hosted.speakable,
            voice=hosted.business.voice,
            key_terms=hosted.key_terms,
            wall_time=self._wall_clock(zone).isoformat(timespec="seconds"),
            zone=hosted.business.timezone,
            caller=taken.caller,
        )
        call = HostedCall(session, answer_sdp)
        taken.began(call)
        work = self._hold(call, session, files, hub, taken.ended)
        task = asyncio.get_running_loop().create_task(work, name=f"call {call_id}")
        self._running[call_id] = (call, task)
        task.add_done_callback(lambda _: self._running.pop(call_id, None))
        return call

    async def _hold(
        self, call: HostedCall, session: CallSession, files: Files | None, hub: CallHub, told: Ended
    ) -> None:
        """The call, then its files; whatever happens, whoever waits for its end is told."""
        reason = "failed"
        speaking_for.set(call.id)
        try:
            ended = await session.run()
            reason = ended.reason
        except asyncio.CancelledError:
            reason = "shutdown"
            raise
        except Exception as error:  # noqa: BLE001 - a bug ends one call, never the house
            _log_bug(call.id, error)
        finally:
            try:
                if files is not None:
                    await asyncio.shield(files.close(hub))
            except Exception as error:  # noqa: BLE001 - the line is free again, whatever became of its files
                _log_bug(call.id, error)
            finally:
                told(reason)
                call.closed(reason)


def _log_bug(call_id: str, error: Exception) -> None:
    """Where it happened, not its text, which may hold what was said."""
    where = "".join(traceback.format_tb(error.__traceback__))
    _log.error("call %s failed: %s\n%s", call_id, type(error).__name__, where)


class CallFiles:
    """`Files` that anybody with the folder can read. Raises DiskError when they cannot be created."""

    def __init__(self, directory: Path, call_id: str, hosted: Hosted) -> None:
        self._directory, self._call_id, self._business = directory, call_id, hosted.business.name
        self.journal = FileJournal(directory / JOURNAL, call_id, hosted.config)
        self.observe = self.journal.observe
        try:
            self.recorder = Recorder(directory / RECORDING)
        except DiskError:
            self.journal.abandon()
            (directory / JOURNAL).unlink(missing_ok=True)
            raise

    async def close(self, hub: CallHub) -> None:
        """Finish them. A disk that fails is logged: the call has ended all the same."""
        at_us = round(asyncio.get_running_loop().time() * 1e6)
        for closing in (self.journal.aclose(at_us), self.recorder.aclose()):
            try:
                await closing
            except DiskError as error:
                _log.warning("call %s: %s", self._call_id, error)
        trace = build_trace(hub.view.reducer, call_id=self._call_id, business=self._business)
        try:
            await asyncio.to_thread(write_trace_files, self._directory, trace)
        except OSError as error:
            _log.warning("call %s: the trace could not be written: %s", self._call_id, error.strerror)


class NoTransfers:
    """`TransferDesk` where no telephone line is attached: nobody can be reached, and the caller is told so."""

    async def transfer(self, target: str, *, call_id: str, reason: str) -> bool:
        return False
