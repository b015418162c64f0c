"""``aivoice doctor``: what is installed, missing or slow on this machine, and how to mend it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import platform
import re
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console
from rich.text import Text

from aivoice import __version__
from aivoice.audio.frames import FRAME_BYTES, FRAME_SAMPLES, AudioChunk
from aivoice.cli.output import console, print_json
from aivoice.cli.running import run
from aivoice.errors import VoiceError
from aivoice.hosting import chains
from aivoice.hosting.chains import check_services
from aivoice.hosting.clip_store import cache_folder
from aivoice.hosting.house import example_files
from aivoice.hosting.installation import data_folder
from aivoice.hosting.provider_file import Found, find_providers
from aivoice.providers.embedded.bundle import EmbeddedSet
from aivoice.providers.ports import SpeechAudio, SttStream, VadEvent

EXIT_TROUBLE = 1
SENTENCE = "We are open until five today, and on Saturday from nine to one."
_FREE_BYTES = 500_000_000
_STYLES = {"ok": "green", "slow": "yellow", "missing": "red", "note": "dim"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. fix: what to do; empty where nothing is to be done."""

    state: Literal["ok", "slow", "missing", "note"]
    what: str
    detail: str
    fix: str = ""


def doctor_command(*, as_json: bool, data: Path | None = None, providers: Path | None = None) -> None:
    """Status 0: fit for calls. Status 1: something is missing or too slow."""
    screen = Console(quiet=True) if as_json else console()
    findings: list[Finding] = []
    services = find_providers(data or data_folder(), providers)
    for finding in (*_machine(), *_packages(), *run(_services(services))):
        findings.append(finding)
        _print(screen, finding)
    for finding in run(_models(screen)):
        findings.append(finding)
        _print(screen, finding)
    trouble = [finding for finding in findings if finding.state in ("missing", "slow")]
    if as_json:
        print_json({"fit": not trouble, "findings": [asdict(finding) for finding in findings]})
    else:
        verdict = "fit for calls" if not trouble else f"{len(trouble)} to mend (above)"
        screen.print(Text(verdict, style="bold green" if not trouble else "bold yellow"))
    if trouble:
        raise typer.Exit(EXIT_TROUBLE)


def _print(screen: Console, finding: Finding) -> None:
    line = Text.assemble((f"{finding.state:8}", _STYLES[finding.state]), (f"{finding.what:28}", "bold"), finding.detail)
    if finding.fix:
        line.append(f"\n{'':8}{'':28}{finding.fix}", "italic")
    screen.print(line)


# ---------------------------------------------------------------- the services


async def _services(found: Found) -> list[Finding]:
    """Whether each service of the file takes our key, model and voice. Raises InputError for a file that is wrong."""
    if found.path is None:
        return [Finding("note", "services", "none: everything runs on this machine")]
    return [
        Finding("ok", "services", str(found.path)),
        *(_service(each) for each in await check_services(found.content)),
    ]


def _service(each: chains.Finding) -> Finding:
    what = f"{each.stage} {each.name}"
    if not each.code:
        return Finding("ok", what, each.text)
    fix = {
        "no_key": "set it there, or remove the provider from the file",
        "bad_key": "the service does not take this key: make a new one in its console",
        "rejected": "compare `model`, `voice` and `options` with what the service offers",
        "unreachable": "is `url` right, and may this machine reach it?",
        "model_missing": "give the folder of a model",
    }.get(each.code, "ask the service's status page; calls go on by the next provider of the chain")
    return Finding("missing", what, each.text, fix)


# ---------------------------------------------------------------- the machine


def _machine() -> Iterator[Finding]:
    version = platform.python_version()
    yield Finding("ok", "aivoice", f"{__version__}, Python {version}, {platform.system()} {platform.machine()}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding(
        "ok" if cores >= 2 else "slow",
        "cores",
        str(cores),
        "" if cores >= 2 else "calls and models share one core: expect slow answers; two or more are needed",
    )
    yield _port(8000)
    yield _loopback()
    yield _space(Path.cwd(), "space for calls")
    yield Finding("note", "made clips", str(cache_folder()))
    try:
        yield Finding("ok", "example businesses", ", ".join(path.parent.name for path in example_files()))
    except VoiceError:
        yield Finding("note", "example businesses", "not here: name business files yourself")
    browser = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )
    yield Finding("note", "Chromium", browser or "none: the page's own tests will be skipped")


def _port(port: int) -> Finding:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError as error:
            fix = "end the other program, or give serve another with --port"
            return Finding("note", f"port {port}", error.strerror or "in use", fix)
    return Finding("ok", f"port {port}", "free")


def _loopback() -> Finding:
    """UDP to ourselves: what a WebRTC call on this machine needs."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
    ):
        there.settimeout(1.0)
        try:
            there.bind(("127.0.0.1", 0))
            here.sendto(b"aivoice", there.getsockname())
            there.recv(64)
        except OSError as error:
            return Finding("missing", "UDP on loopback", error.strerror or "blocked", "allow UDP on 127.0.0.1")
    return Finding("ok", "UDP on loopback", "works")


def _space(folder: Path, what: str) -> Finding:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("missing", what, error.strerror or "unreadable", "choose another folder with --out")
    enough = free >= _FREE_BYTES and os.access(folder, os.W_OK)
    detail = f"{free / 1e9:.1f} GB free in {folder}"
    return Finding("ok" if enough else "missing", what, detail, "" if enough else "choose another folder with --out")


def _packages() -> Iterator[Finding]:
    """The packages that this release names; one line when all are there."""
    wanted = importlib.metadata.requires("aivoice") or []
    names = [
        match.group() for line in wanted if (match := re.match(r"[A-Za-z0-9_.-]+", line)) and "extra ==" not in line
    ]
    missing: list[str] = []
    for name in names:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding("missing", "packages", ", ".join(missing), "make setup")
    else:
        yield Finding("ok", "packages", f"all {len(names)}")


# ---------------------------------------------------------------- the models


async def _models(screen: Console) -> list[Finding]:
    """Load every model as `serve` does, and time each on a sentence."""
    begun = time.perf_counter()

    def progress(line: str) -> None:
        screen.print(Text(f"        {line}", style="dim"))

    try:
        async with EmbeddedSet.start(progress=progress) as models:
            load_s = time.perf_counter() - begun
            findings = [_timed("models loaded", load_s * 1_000, 15_000, f"in {load_s:.1f} s")]
            pcm, tts = await _speak(models)
            findings.append(tts)
            findings.append(await _hear(models, pcm))
            findings.append(await _watch(models, pcm))
            findings.append(await _embed(models))
            return findings
    except VoiceError as error:
        return [Finding("missing", "models", str(error), "make setup")]


def _timed(what: str, ms: float, slow_ms: float, detail: str) -> Finding:
    if ms <= slow_ms:
        return Finding("ok", what, detail)
    fix = f"expected {slow_ms:.0f} ms at most: is the machine busy, or too small for calls?"
    return Finding("slow", what, detail, fix)


async def _speak(models: EmbeddedSet) -> tuple[bytes, Finding]:
    begun = time.perf_counter()
    first = 0.0
    pcm = bytearray()
    stream = await models.tts.open()
    try:
        stream.push(SENTENCE)
        stream.finish()
        async for event in stream:
            if isinstance(event, SpeechAudio) and event.pcm is not None:
                first = first or time.perf_counter() - begun
                pcm += event.pcm
    finally:
        await stream.aclose()
    took, length = time.perf_counter() - begun, len(pcm) / 32_000
    detail = (
        f"{models.tts.name}: first audio after {first * 1e3:.0f} ms, {length / max(took, 1e-9):.0f} times real time"
    )
    return bytes(pcm), _timed("speech synthesis", first * 1_000, 400, detail)


async def _hear(models: EmbeddedSet, pcm: bytes) -> Finding:
    stream: SttStream = await models.stt.open()
    try:
        for chunk in _chunks(pcm):
            stream.push(chunk)
            if chunk.position == 0:
                stream.speech_started(0)
        end = len(pcm) // FRAME_BYTES * FRAME_SAMPLES
        begun = time.perf_counter()
        stream.speech_ended(end)
        async with asyncio.timeout(30):
            async for transcript in stream:
                if transcript.kind == "final":
                    break
        took = (time.perf_counter() - begun) * 1_000
    finally:
        await stream.aclose()
    detail = f"{models.stt.name}: final text {took:.0f} ms after the end of {end / 16_000:.1f} s of speech"
    return _timed("speech recognition", took, 1_200, detail)


async def _watch(models: EmbeddedSet, pcm: bytes) -> Finding:
    heard = asyncio.Event()

    def told(_: VadEvent) -> None:
        heard.set()

    stream = models.vad.open(told)
    chunks = list(_chunks(pcm))
    begun = time.perf_counter()
    try:
        for chunk in chunks:
            stream.push(chunk)
            if chunk.position % (FRAME_SAMPLES * 25) == 0:
                await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await heard.wait()
        took = time.perf_counter() - begun
    except TimeoutError:
        return Finding("missing", "voice activity", f"{models.vad.name} heard no speech", "make setup")
    finally:
        await stream.aclose()
    length = len(chunks) * 0.02
    return _timed(
        "voice activity", took * 1_000, length * 500, f"{models.vad.name}: {length / took:.0f} times real time"
    )


async def _embed(models: EmbeddedSet) -> Finding:
    await models.embedder.embed(["how much is a cleaning"])
    begun = time.perf_counter()
    await models.embedder.embed(["are you open on saturday"])
    took = (time.perf_counter() - begun) * 1_000
    return _timed("knowledge search", took, 150, f"{models.embedder.name}: {took:.0f} ms a question")


def _chunks(pcm: bytes) -> Iterator[AudioChunk]:
    for index in range(len(pcm) // FRAME_BYTES):
        yield AudioChunk(index * FRAME_SAMPLES, FRAME_SAMPLES, pcm[index * FRAME_BYTES : (index + 1) * FRAME_BYTES])
