"""A hosted call from its start to its files, with fakes for models: on the virtual clock, and with real signals."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from aivoice.api.hub import CallHub
from aivoice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from aivoice.business.load import load_business
from aivoice.core.prompt import GenerationRequest
from aivoice.engine.cascade_llm import LlmCascade
from aivoice.engine.cascade_stt import SttCascade
from aivoice.engine.cascade_tts import TtsCascade
from aivoice.engine.cascade_vad import VadCascade
from aivoice.engine.disk import DiskError
from aivoice.engine.replay import Same, read_file, replay
from aivoice.engine.session import Providers
from aivoice.hosting.calls import CallFiles, Calls, Hosted, Taken
from aivoice.hosting.house import host_business
from aivoice.testing.fakes import (
    FakeEmbedder,
    FakeLlm,
    FakeStt,
    FakeTts,
    FakeVad,
    Reply,
    Truth,
    TtsBehaviour,
    lay_out,
)
from aivoice.testing.sound import voice_pcm
from aivoice.testing.virtual_time import run_virtual
from aivoice.traces.files import write_whole
from aivoice.transports.memory import MemoryTransport

QUESTION = "Are you open on Saturday?"
ASKED_AT = 5 * SAMPLE_RATE
SECONDS = 15


def caller() -> Callable[[], bytes | None]:
    """A caller who asks one question, listens, and hangs up."""
    end = lay_out(QUESTION, ASKED_AT)[-1].end
    position = 0

    def frame() -> bytes | None:
        nonlocal position
        at, position = position, position + FRAME_SAMPLES
        if at >= SECONDS * SAMPLE_RATE:
            return None
        return voice_pcm(at, FRAME_SAMPLES, voiced=ASKED_AT <= at < end)

    return frame


def author(request: GenerationRequest) -> Reply:
    return Reply("On Saturday we are open from nine until one." if request.passages else "I do not know.")


@asynccontextmanager
async def hosted_calls(
    tmp_path: Path, author: Callable[[GenerationRequest], Reply] = author
) -> AsyncIterator[tuple[Calls, Hosted]]:
    path = tmp_path / "business.yaml"
    path.write_text("name: Corner Bakery\nhours:\n  weekdays: 7:00-18:00\n  saturday: 9:00-13:00\n  sunday: closed\n")
    truth = Truth()
    truth.add(*lay_out(QUESTION, ASKED_AT))
    providers = Providers(
        SttCascade([FakeStt(truth)]),
        LlmCascade([FakeLlm(author)]),
        TtsCascade([FakeTts(TtsBehaviour(pcm=True))]),
        VadCascade([FakeVad()]),
    )
    hosted = await host_business(
        load_business(path),
        identity="bakery",
        providers=providers,
        embedder=FakeEmbedder(),
        tools=None,
        cache=tmp_path / "clips",
        progress=lambda _: None,
    )
    async with Calls({"bakery": hosted}) as calls:
        yield calls, hosted


def test_a_call_leaves_whole_files_that_tell_the_same_story(tmp_path: Path) -> None:
    heard: list[tuple[int, bytes]] = []

    async def scenario() -> str:
        async with hosted_calls(tmp_path) as (calls, hosted):
            hub = CallHub(hosted.config.clips)
            leg = MemoryTransport(
                caller(), pacer=calls.pacer, heard=lambda frame, at: heard.append((at, frame)), end="caller_hung_up"
            )
            call = calls.run(leg, call_id="c1", taken=Taken(hosted), files=CallFiles(tmp_path, "c1", hosted), hub=hub)
            reason = await call.wait_closed()
            await call.hang_up("again")
            return reason

    assert run_virtual(scenario()) == "caller_hung_up"
    transcript = (tmp_path / "transcript.md").read_text()
    assert QUESTION in transcript
    assert "On Saturday we are open from nine until one." in transcript
    assert "Thank you for calling Corner Bakery" in transcript
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert trace["call_id"] == "c1"
    assert trace["end_reason"] == "caller_hung_up"
    assert "<svg" in (tmp_path / "waterfall.svg").read_text()
    outcome = replay(read_file(tmp_path / "journal.jsonl"))
    assert isinstance(outcome, Same), outcome
    assert outcome.complete
    with wave.open(str(tmp_path / "recording.wav")) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, SAMPLE_RATE)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    assert abs(len(samples) - SECONDS * SAMPLE_RATE) <= SAMPLE_RATE // 5
    # Left is the caller, to the sample; right is what was handed to the caller's ear.
    question = samples[ASKED_AT : ASKED_AT + SAMPLE_RATE, 0]
    assert np.array_equal(question, np.frombuffer(voice_pcm(ASKED_AT, SAMPLE_RATE, voiced=True), dtype="<i2"))
    agent = np.frombuffer(b"".join(frame for _, frame in heard), dtype="<i2")
    first, loud = np.flatnonzero(agent)[0], np.flatnonzero(samples[:, 1])[0]
    shared = min(len(agent) - first, len(samples) - loud)
    assert np.array_equal(agent[first : first + shared], samples[loud : loud + shared, 1])


def test_a_model_that_goes_by_the_tools_it_is_shown_can_end_the_call(tmp_path: Path) -> None:
    def by_its_tools(request: GenerationRequest) -> Reply:
        shown = {spec.name: spec.parameters for spec in request.tools}
        assert "transfer" not in shown, "nobody is there to transfer to"
        return Reply("Yes. Goodbye.", (("end_call", "{}"),) if "end_call" in shown else ())

    async def scenario() -> str:
        async with hosted_calls(tmp_path, by_its_tools) as (calls, hosted):
            leg = MemoryTransport(caller(), pacer=calls.pacer, end="caller_hung_up")
            call = calls.run(leg, call_id="c1", taken=Taken(hosted), files=None, hub=CallHub())
            return await call.wait_closed()

    assert run_virtual(scenario()) == "agent_ended"


def test_leaving_the_house_ends_its_calls_politely_with_whole_files(tmp_path: Path) -> None:
    async def scenario() -> str:
        async with hosted_calls(tmp_path) as (calls, hosted):
            leg = MemoryTransport(caller(), pacer=calls.pacer)
            call = calls.run(
                leg, call_id="c1", taken=Taken(hosted), files=CallFiles(tmp_path, "c1", hosted), hub=CallHub()
            )
            await asyncio.sleep(2)
        return await call.wait_closed()

    assert run_virtual(scenario()) == "shutdown"
    assert read_file(tmp_path / "journal.jsonl").closed
    with wave.open(str(tmp_path / "recording.wav")) as file:
        assert 1.5 < file.getnframes() / SAMPLE_RATE < 2.5


def test_a_call_that_cannot_keep_files_is_refused_before_it_begins(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hosted_calls(tmp_path) as (calls, hosted):
            leg = MemoryTransport(caller(), pacer=calls.pacer)
            with pytest.raises(Exception, match="No such file") as caught:
                calls.run(
                    leg,
                    call_id="c1",
                    taken=Taken(hosted),
                    files=CallFiles(tmp_path / "nowhere", "c1", hosted),
                    hub=CallHub(),
                )
            assert getattr(caught.value, "code", "") == "disk_failed"

    run_virtual(scenario())


def test_a_call_whose_recording_cannot_be_kept_leaves_no_journal_open(tmp_path: Path) -> None:
    (tmp_path / "recording.wav").mkdir()

    async def scenario() -> None:
        async with hosted_calls(tmp_path) as (calls, hosted):
            leg = MemoryTransport(caller(), pacer=calls.pacer)
            with pytest.raises(DiskError, match="Is a directory"):
                calls.run(
                    leg, call_id="c1", taken=Taken(hosted), files=CallFiles(tmp_path, "c1", hosted), hub=CallHub()
                )

    run_virtual(scenario())
    assert not (tmp_path / "journal.jsonl").exists()
    until = time.monotonic() + 5
    while any(thread.name == "aivoice-disk" for thread in threading.enumerate()):
        assert time.monotonic() < until, "the journal's file was never closed"
        time.sleep(0.02)


def test_without_files_a_call_takes_place_all_the_same(tmp_path: Path) -> None:
    async def scenario() -> str:
        async with hosted_calls(tmp_path) as (calls, hosted):
            leg = MemoryTransport(caller(), pacer=calls.pacer, end="caller_hung_up")
            call = calls.run(leg, call_id="c1", taken=Taken(hosted), files=None, hub=CallHub())
            return await call.wait_closed()

    assert run_virtual(scenario()) == "caller_hung_up"
    assert not (tmp_path / "journal.jsonl").exists()


def test_a_bug_in_writing_the_files_frees_the_line_and_tells_nobody_what_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(directory: Path, trace: object) -> None:
        raise ValueError(QUESTION)

    monkeypatch.setattr("aivoice.hosting.calls.write_trace_files", broken)

    async def scenario() -> str:
        async with hosted_calls(tmp_path) as (calls, hosted):
            leg = MemoryTransport(caller(), pacer=calls.pacer, end="caller_hung_up")
            call = calls.run(
                leg,
                call_id="c1",
                taken=Taken(hosted),
                files=CallFiles(tmp_path, "c1", hosted),
                hub=CallHub(hosted.config.clips),
            )
            async with asyncio.timeout(120):
                return await call.wait_closed()

    assert run_virtual(scenario()) == "caller_hung_up"
    assert "call c1 failed: ValueError" in caplog.text
    assert QUESTION not in caplog.text


def test_half_a_surrogate_pair_reaches_every_file_and_breaks_none(tmp_path: Path) -> None:
    """Valid JSON from a tool, or half an emoji from a model, may hold one; UTF-8 may not."""
    write_whole(tmp_path / "trace.json", json.dumps({"result": "\ud83d"}, ensure_ascii=False))
    assert json.loads((tmp_path / "trace.json").read_text())["result"] == "\ud83d"


def test_nobody_else_on_the_machine_can_read_what_callers_said(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with hosted_calls(tmp_path) as (calls, hosted):
            leg = MemoryTransport(caller(), pacer=calls.pacer)
            calls.run(leg, call_id="c1", taken=Taken(hosted), files=CallFiles(tmp_path, "c1", hosted), hub=CallHub())
            await asyncio.sleep(2)

    run_virtual(scenario())
    for name in ("journal.jsonl", "recording.wav"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0, name
