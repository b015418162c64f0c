"""``aivoice call``: a server, and a simulated caller that dials it over WebRTC; the conversation in the terminal."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.text import Text

from aivoice import __version__
from aivoice.api.desk import CallDesk
from aivoice.api.serving import serve_http
from aivoice.audio.frames import FRAME_BYTES
from aivoice.audio.pacer import Pacer
from aivoice.audio.wav import frames_of, iter_wav
from aivoice.business.load import load_business
from aivoice.cli.live import LiveCall, legend
from aivoice.cli.output import console, make_folder, print_json
from aivoice.cli.running import run
from aivoice.cli.watched import OwnCall, ServersCall, Watched
from aivoice.core.config import DEFAULT_CLIPS
from aivoice.errors import VoiceError
from aivoice.hosting.caller import AUDIBLE_DBFS, Caller, Ears, Reaction, bridges_of, speak_lines
from aivoice.hosting.caller_script import CallerScript, load_script
from aivoice.hosting.calls import Calls
from aivoice.hosting.clip_store import cache_folder
from aivoice.hosting.house import example_files, open_house
from aivoice.providers.embedded.bundle import EmbeddedSet
from aivoice.providers.ports import TextToSpeech
from aivoice.traces.build import build_trace
from aivoice.transports.webrtc_caller import WebRtcCaller

SCRIPT = "caller.yaml"
READ_AHEAD_S = 1.0
"""Of a recording that is the caller, this much is in memory."""
VIEW_ENDS_S = 2.0
AFTERWARDS_S = 6.0
"""After its end, and after the agent's last sound, the caller hangs up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """folder: of its files; None: they are the server's."""

    call_id: str
    folder: Path | None
    reason: str
    reactions: tuple[Reaction, ...]
    latency: dict[str, Any]


def dial_command(
    server: str, asked: Mapping[str, str], *, audio: Path | None, script: Path | None, as_json: bool
) -> None:
    """Call a server that runs already. Status 0 when the call took place. script: None: the first example's."""
    frames = None if audio is None else _frames(audio)
    spoken = None if audio is not None else load_script(script or example_files()[0].parent / SCRIPT)
    screen = Console(quiet=True) if as_json else console()
    _tell(run(_dial(server.rstrip("/"), asked, frames, spoken, screen)), screen, as_json=as_json)


def call_command(business: Path | None, *, audio: Path | None, script: Path | None, out: Path, as_json: bool) -> None:
    """Status 0 when the call took place; its files are in ``out/<call id>/``."""
    path = business or example_files()[0]
    load_business(path)  # what is wrong with it is told before what is wrong with the caller
    frames = None if audio is None else _frames(audio)
    spoken = None if audio is not None else load_script(script or path.parent / SCRIPT)
    make_folder(out)
    screen = Console(quiet=True) if as_json else console()
    _tell(run(_call(path, frames, spoken, out, screen)), screen, as_json=as_json)


def _tell(outcome: Outcome, screen: Console, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "call": outcome.call_id,
                "folder": str(outcome.folder) if outcome.folder else None,
                "reason": outcome.reason,
                "latency": outcome.latency,
                "heard": [asdict(reaction) for reaction in outcome.reactions],
            }
        )
    else:
        _summary(screen, outcome)


def _frames(audio: Path) -> Iterator[bytes]:
    """The recording's frames. All of it is decoded once beforehand (about a second an hour), so that a file that is
    damaged somewhere or too long is told before anything slow begins. Raises InputError."""
    for _ in iter_wav(audio):
        continue
    return frames_of(iter_wav(audio))


async def _call(
    path: Path, frames: Iterator[bytes] | None, script: CallerScript | None, out: Path, screen: Console
) -> Outcome:
    begun = time.monotonic()

    def progress(line: str) -> None:
        screen.print(Text(f"  {line}", style="dim"))

    screen.print("Loading (a few seconds) …")
    async with (
        open_house([path], progress=progress, messages=out / "messages.jsonl") as house,
        Calls(house.hosted) as calls,
        CallDesk(calls, house.infos(), capacity=1, directory=out, now=lambda: datetime.now(UTC)) as desk,
        serve_http(desk, "127.0.0.1", 0) as url,
    ):
        lines = {} if script is None else await _voice(house.models.tts, script, progress)
        screen.print(f"Ready after {time.monotonic() - begun:.1f} s; calling {house.infos()[0].name} at {url}")
        screen.print(legend())
        ears = Ears()
        phone = WebRtcCaller(pacer=calls.pacer, hears=ears, keep_s=60.0)
        call_ids: list[str] = []
        try:
            await phone.dial(_exchange(url, call_ids))
            hub = desk.find(call_ids[0]).hub
            bridges = bridges_of(house.hosted[house.infos()[0].id].config.clips)
            reactions = await _converse(phone, ears, OwnCall(hub), frames, script, lines, bridges, screen)
        finally:
            await phone.close()
        info = desk.find(call_ids[0])
        if info.call is not None:
            await info.call.wait_closed()
        trace = build_trace(hub.view.reducer, call_id=info.id, business=info.business.name)
        return Outcome(info.id, info.directory, trace.end_reason, tuple(reactions), asdict(trace.latency))


async def _dial(
    server: str, asked: Mapping[str, str], frames: Iterator[bytes] | None, script: CallerScript | None, screen: Console
) -> Outcome:
    """A call to a server that runs elsewhere. asked: the query of its POST /calls: number, business, caller."""

    def progress(line: str) -> None:
        screen.print(Text(f"  {line}", style="dim"))

    ears = Ears()
    call_ids: list[str] = []
    async with AsyncExitStack() as stack:
        lines: dict[str, bytes] = {}
        if script is not None:
            models = await stack.enter_async_context(EmbeddedSet.start(progress=progress))
            lines = await _voice(models.tts, script, progress)
        pacer = Pacer(asyncio.get_running_loop())
        stack.callback(pacer.close)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        screen.print(f"Calling {asked.get('number') or asked.get('business') or 'the first business'} at {server}")
        screen.print(legend())
        phone = WebRtcCaller(pacer=pacer, hears=ears, keep_s=60.0)
        try:
            try:
                await phone.dial(_exchange(server, call_ids, asked))
            except aiohttp.ClientError as error:
                text = f"{server} cannot be reached ({type(error).__name__}): is aivoice serve running there?"
                raise VoiceError(text, code="server_away", stage="cli") from None
            watched = ServersCall(session, server, call_ids[0])
            reactions = await _converse(phone, ears, watched, frames, script, lines, bridges_of(DEFAULT_CLIPS), screen)
        finally:
            await phone.close()
        return Outcome(call_ids[0], None, watched.reason or "caller_hung_up", tuple(reactions), {})


async def _voice(tts: TextToSpeech, script: CallerScript, progress: Callable[[str], None]) -> dict[str, bytes]:
    progress("the caller learns its lines")
    return await speak_lines(tts, script, release=__version__, cache=cache_folder())


def _exchange(url: str, call_ids: list[str], asked: Mapping[str, str] | None = None) -> Callable[[str], Any]:
    """WHIP over HTTP: the offer in, the answer out; the call's id comes in Location."""

    async def post(offer: str) -> str:
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{url}/calls", params=asked, data=offer, headers={"Content-Type": "application/sdp"}
            ) as response,
        ):
            text = await response.text()
            if response.status != 201:
                raise VoiceError(f"the server refused the call: {_detail(text, response.status)}", stage="cli")
            call_ids.append(response.headers["Location"].rsplit("/", 1)[-1])
            return text

    return post


def _detail(text: str, status: int) -> str:
    """What a problem says to a person."""
    try:
        return str(json.loads(text)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"it answered {status}"


async def _converse(
    phone: WebRtcCaller,
    ears: Ears,
    watched: Watched,
    frames: Iterator[bytes] | None,
    script: CallerScript | None,
    lines: dict[str, bytes],
    bridges: frozenset[str],
    screen: Console,
) -> list[Reaction]:
    """The call, shown while it lasts."""
    caller: Caller | None = None
    with LiveCall(screen) as view:
        async with asyncio.TaskGroup() as group:
            showing = group.create_task(_show(watched, view), name="live view")
            try:
                if script is not None:
                    caller = Caller(
                        phone,
                        ears,
                        script,
                        lines.__getitem__,
                        last_words=watched.last_words,
                        listening=watched.listening,
                        bridges=bridges,
                    )
                    await caller.talk()
                elif frames is not None:
                    await _play(phone, ears, frames)
            except TimeoutError:
                screen.print(Text("the caller ran out of time and hangs up", style="yellow"))
            except asyncio.CancelledError:
                showing.cancel()  # told to end: the house hangs up, which needs no audience
                raise
            await phone.close()
            # The view ends with the call; it is given the time that the call's files take.
            await asyncio.wait((showing,), timeout=VIEW_ENDS_S)
            showing.cancel()
    return [] if caller is None else caller.reactions


async def _show(watched: Watched, view: LiveCall) -> None:
    async with aclosing(watched.changes()) as stream:
        async for changes in stream:
            view.apply(changes)


async def _play(phone: WebRtcCaller, ears: Ears, frames: Iterator[bytes]) -> None:
    """The recording is the caller; after its end the caller listens until the agent has been quiet for a while."""
    loop = asyncio.get_running_loop()
    begun, ahead_s = loop.time(), 0.0
    for frame in frames:
        if phone.ended.is_set():
            return
        phone.say(frame.ljust(FRAME_BYTES, b"\0"))
        ahead_s += 0.02
        early_s = ahead_s - (loop.time() - begun) - READ_AHEAD_S
        if early_s > 0:
            await asyncio.sleep(early_s)
    await phone.said()
    said_at = loop.time()
    while not phone.ended.is_set():
        quiet_s = loop.time() - max(said_at, ears.sounding_at)
        if quiet_s >= AFTERWARDS_S:
            return
        await asyncio.sleep(min(0.3, AFTERWARDS_S - quiet_s))


def _summary(screen: Console, outcome: Outcome) -> None:
    answered = sorted(item.first_sound_ms for item in outcome.reactions if item.first_sound_ms is not None)
    bridged = sum(item.answered_ms != item.first_sound_ms for item in outcome.reactions)
    screen.print(Text.assemble(("Ended: ", "bold"), outcome.reason))
    if answered:
        middle = answered[len(answered) // 2]
        screen.print(
            f"At the caller's ear: {middle:.0f} ms (median) from the end of a line to the agent's first sound, "
            f"{answered[0]:.0f} to {answered[-1]:.0f} ms over {len(answered)} lines (above {AUDIBLE_DBFS:.0f} dBFS)."
            + (f" {bridged} of them heard a filler first." if bridged else "")
        )
    if outcome.folder is None:
        return
    screen.print(Text.assemble("Files: ", (str(outcome.folder), "bold")))
    for path in sorted(outcome.folder.iterdir()):
        screen.print(f"  {path.name:16} {path.stat().st_size:>10,} bytes")
