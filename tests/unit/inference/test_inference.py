"""The inference process for real, with jobs that need no model: answers, failures, crashes, endings."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from aivoice.errors import MissingModelError, ProviderError
from aivoice.providers.inference import Inference, InferenceSettings, Priority, shared_inference
from aivoice.testing.virtual_time import run_virtual

HERE = str(Path(__file__).parent)


def settings(**options: object) -> InferenceSettings:
    return InferenceSettings(
        load="handlers:load", options=options, python_path=(HERE,), at_most={"slow": 1}, restart_pause_s=0.05
    )


def with_inference(work: Callable[[Inference], Awaitable[None]], *, virtual: bool = False) -> None:
    async def main() -> None:
        given = settings()
        async with asyncio.timeout(50), Inference(given) as inference:
            await work(inference)
        assert inference.process_id is None

    if virtual:
        run_virtual(main())
    else:
        asyncio.run(main())


@pytest.mark.parametrize("virtual", [False, True])
def test_answers_come_back_whole_and_in_parts(virtual: bool) -> None:
    async def work(inference: Inference) -> None:
        big = os.urandom(3_000_000)
        (reply,) = await inference.submit("echo", {"say": "hé"}, big, priority=Priority.FINAL).all()
        assert reply.meta["said"] == "hé" and reply.blob == big[::-1]
        assert reply.meta["environment"] == "1", "BLAS threads were not limited"
        replies = await inference.submit("parts", {"count": 5}, priority=Priority.FINAL).all()
        assert [len(reply.blob) for reply in replies] == [0, 1, 2, 3, 4]

    with_inference(work, virtual=virtual)


def test_virtual_time_is_charged_what_the_work_really_took() -> None:
    async def work(inference: Inference) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(20)
        started = loop.time()
        ticket = inference.submit("slow", {"seconds": 0.2}, priority=Priority.FINAL)
        other = asyncio.ensure_future(asyncio.sleep(0.1))
        await ticket.all()
        assert other.done()
        assert 0.19 <= loop.time() - started <= 5.0

    with_inference(work, virtual=True)


def test_failures_say_what_happened_and_never_what_was_said() -> None:
    async def work(inference: Inference) -> None:
        with pytest.raises(ProviderError) as unknown:
            await inference.submit("nonsense", {}, priority=Priority.FINAL).all()
        assert unknown.value.code == "unknown_job"
        with pytest.raises(ProviderError) as polite:
            await inference.submit("fails", {"politely": True}, priority=Priority.FINAL).all()
        assert polite.value.code == "no_voice"
        with pytest.raises(ProviderError) as rude:
            await inference.submit("fails", {}, priority=Priority.FINAL).all()
        assert rude.value.code == "model_failed" and "card" not in str(rude.value)

    with_inference(work)


def test_a_crash_fails_what_was_in_flight_and_the_next_job_finds_a_new_process() -> None:
    async def work(inference: Inference) -> None:
        first = inference.process_id
        waiting = inference.submit("slow", {"seconds": 5}, priority=Priority.FINAL)
        with pytest.raises(ProviderError) as lost:
            await inference.submit("crash", {}, priority=Priority.FINAL).all()
        assert lost.value.code == "inference_lost" and lost.value.retryable
        with pytest.raises(ProviderError):
            await waiting.all()
        (reply,) = await inference.submit("echo", {}, b"ab", priority=Priority.FINAL).all()
        assert reply.blob == b"ba"
        assert inference.process_id != first and inference.restarts == 1

    with_inference(work)


def test_a_killed_process_is_replaced_too() -> None:
    async def work(inference: Inference) -> None:
        assert inference.process_id is not None
        os.kill(inference.process_id, signal.SIGKILL)
        codes = list[str]()
        for _ in range(2):  # the first may have been written to the dying process
            try:
                await inference.submit("echo", {}, priority=Priority.FINAL).all()
            except ProviderError as error:
                codes.append(error.code)
        assert set(codes) <= {"inference_lost"}
        await inference.submit("echo", {}, priority=Priority.FINAL).all()

    with_inference(work)


def test_a_job_too_long_for_a_frame_is_refused_at_once_and_harms_no_other_whether_the_process_is_there_or_not() -> None:
    async def work(inference: Inference) -> None:
        with pytest.raises(ProviderError):
            inference.submit("echo", {"say": "x" * 70_000}, priority=Priority.FINAL)
        with pytest.raises(ProviderError):
            await inference.submit("crash", {}, priority=Priority.FINAL).all()
        with pytest.raises(ProviderError) as refused:
            inference.submit("echo", {"say": "x" * 70_000}, priority=Priority.FINAL)
        assert refused.value.code == "inference_protocol"
        (reply,) = await inference.submit("echo", {}, b"ab", priority=Priority.FINAL).all()
        assert reply.blob == b"ba"

    with_inference(work)


def test_a_waiting_job_that_cannot_be_sent_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(inference: Inference) -> None:
        with pytest.raises(ProviderError):
            await inference.submit("crash", {}, priority=Priority.FINAL).all()
        refused = inference.submit("echo", {}, b"no room", priority=Priority.FINAL)
        behind = inference.submit("echo", {}, b"ab", priority=Priority.FINAL)
        link = inference._link  # pyright: ignore[reportPrivateUsage]
        send = link.send

        def full(frame: bytes) -> bool:
            if b"no room" in frame:
                raise ProviderError("full", code="inference_full", stage="inference")
            return send(frame)

        monkeypatch.setattr(link, "send", full)
        with pytest.raises(ProviderError) as failed:
            await refused.all()
        assert failed.value.code == "inference_full"
        assert (await behind.all())[0].blob == b"ba"

    with_inference(work)


def test_a_process_that_dies_again_and_again_is_not_waited_for() -> None:
    async def work(inference: Inference) -> None:
        codes = list[str]()
        for _ in range(8):
            try:
                await inference.submit("crash", {}, priority=Priority.FINAL).all()
            except ProviderError as error:
                codes.append(error.code)
        assert codes == ["inference_lost"] * 8
        started = time.monotonic()
        with pytest.raises(ProviderError):
            await inference.submit("crash", {}, priority=Priority.FINAL).all()
        assert time.monotonic() - started < 2.0

    with_inference(work)


def test_cancelled_jobs_do_not_run_and_interims_leave_a_worker_free() -> None:
    async def work(inference: Inference) -> None:
        slow = [inference.submit("slow", {"seconds": 0.3}, priority=Priority.INTERIM) for _ in range(6)]
        started = time.monotonic()
        await inference.submit("echo", {}, priority=Priority.FINAL).all()
        assert time.monotonic() - started < 0.25, "a final waited behind interims"
        for ticket in slow[1:]:
            ticket.cancel()
            ticket.cancel()
        await slow[0].all()
        assert time.monotonic() - started < 1.2, "cancelled jobs were run"
        with pytest.raises(ProviderError) as cancelled:
            await slow[1].all()
        assert cancelled.value.code == "inference_cancelled"

    with_inference(work)


def test_a_cancelled_reader_cancels_its_job() -> None:
    async def work(inference: Inference) -> None:
        blocker = inference.submit("slow", {"seconds": 0.2}, priority=Priority.FINAL)
        reader = asyncio.ensure_future(inference.submit("slow", {"seconds": 9}, priority=Priority.INTERIM).all())
        await asyncio.sleep(0.02)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await blocker.all()

    with_inference(work)


def test_an_interim_that_waited_too_long_is_dropped() -> None:
    async def work(inference: Inference) -> None:
        running = inference.submit("slow", {"seconds": 0.3}, priority=Priority.FINAL)
        await asyncio.sleep(0.05)
        late = inference.submit("slow:other", {}, priority=Priority.INTERIM, wait_s=0.05)
        with pytest.raises(ProviderError) as stale:
            await late.all()
        assert stale.value.code == "inference_stale"
        await running.all()

    with_inference(work)


@pytest.mark.parametrize(
    ("option", "kind", "code"),
    [
        ("missing", MissingModelError, "model_missing"),
        ("broken", ProviderError, "model_failed"),
        ("dies", ProviderError, "inference_lost"),
    ],
)
def test_a_start_that_fails_says_why_and_leaves_nothing(option: str, kind: type[Exception], code: str) -> None:
    async def main() -> None:
        async with Inference(settings(**{option: True})):
            raise AssertionError("it must not start")

    with pytest.raises(kind) as failed:
        asyncio.run(main())
    assert getattr(failed.value, "code", "") == code
    assert "\n" not in str(failed.value)


def test_progress_is_told_on_the_loop_and_closing_twice_is_safe() -> None:
    async def main() -> None:
        lines = list[str]()
        inference = Inference(settings(), progress=lines.append)
        async with inference:
            ticket = inference.submit("slow", {"seconds": 3}, priority=Priority.FINAL)
        assert lines == ["starting the inference process", "loading nothing"]
        with pytest.raises(ProviderError):
            await ticket.all()
        with pytest.raises(ProviderError):
            inference.submit("echo", {}, priority=Priority.FINAL)
        await inference.aclose()

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 10


def test_a_cancelled_start_leaves_nothing() -> None:
    async def main() -> None:
        async def start() -> None:
            async with Inference(settings()):
                await asyncio.sleep(60)

        task = asyncio.ensure_future(start())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_the_child_ignores_ctrl_c_and_dies_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, signal, sys\n"
        f"sys.path.insert(0, {HERE!r})\n"
        "from aivoice.providers.inference import Inference, InferenceSettings, Priority\n"
        "async def main():\n"
        f"    given = InferenceSettings(load='handlers:load', python_path=({HERE!r},))\n"
        "    async with Inference(given) as inference:\n"
        "        os.kill(inference.process_id, signal.SIGINT)\n"
        "        await inference.submit('echo', {}, priority=Priority.FINAL).all()\n"
        "        print(inference.process_id, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child), "the child outlived its parent"


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_several_processes_share_one() -> None:
    async def use(given: InferenceSettings) -> None:
        async with Inference(given) as one, Inference(given) as two:
            first = one.submit("echo", {}, b"12", priority=Priority.FINAL)
            second = two.submit("echo", {}, b"34", priority=Priority.FINAL)
            assert [(await first.all())[0].blob, (await second.all())[0].blob] == [b"21", b"43"]

    with shared_inference(settings()) as given:
        asyncio.run(use(given))
        run_virtual(use(given))
    assert not Path(given.connect).exists()


def test_a_shared_process_that_cannot_start_says_why() -> None:
    with pytest.raises(MissingModelError), shared_inference(settings(missing=True)):
        raise AssertionError("it must not start")


def test_a_process_that_hangs_is_replaced_within_ten_seconds_and_its_jobs_fail() -> None:
    async def work(inference: Inference) -> None:
        assert inference.process_id is not None
        os.kill(inference.process_id, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(ProviderError) as lost:
            await inference.submit("echo", {}, priority=Priority.FINAL).all()
        assert lost.value.code == "inference_lost"
        assert time.monotonic() - started < 10.0
        (reply,) = await inference.submit("echo", {}, b"ab", priority=Priority.FINAL).all()
        assert reply.blob == b"ba"
        assert inference.restarts == 1

    with_inference(work)
