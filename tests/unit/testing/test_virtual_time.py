"""The virtual clock: exact, deterministic, honest about real work, and never silently stuck."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivoice.testing.leaks import LeakError, assert_no_leaks, assert_no_tasks_behind_a_run
from aivoice.testing.virtual_time import DeadlockError, SpinError, VirtualTimeLoop, run_virtual


def _loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


def test_an_hour_passes_at_once_and_exactly() -> None:
    async def main() -> int:
        await asyncio.sleep(3600)
        return _loop().time_us()

    started = time.perf_counter()
    assert run_virtual(main()) == 3_600_000_000
    assert time.perf_counter() - started < 1.0


@given(st.lists(st.integers(1, 10_000_000), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_timers_fire_in_order_at_their_microsecond(delays: list[int]) -> None:
    async def main() -> list[tuple[int, int]]:
        loop, fired = _loop(), list[tuple[int, int]]()
        done = asyncio.Event()

        def fire(due: int) -> None:
            fired.append((due, int(loop.time() * 1e6)))
            if len(fired) == len(delays):
                done.set()

        for delay in delays:
            loop.call_at(delay / 1e6, fire, delay)
        await done.wait()
        return fired

    fired = run_virtual(main())
    assert [due for due, _ in fired] == sorted(delays)
    assert all(0 <= at - due <= 1 for due, at in fired)


@given(st.integers(0, 2**43))
@settings(max_examples=300, deadline=None)
def test_time_gives_its_microseconds_back(us: int) -> None:
    loop = VirtualTimeLoop(start_us=us)
    try:
        assert int(loop.time() * 1e6) == us
    finally:
        loop.close()


def test_a_thread_costs_its_real_time_and_timers_fire_meanwhile() -> None:
    async def main() -> tuple[float, list[float]]:
        loop, ticks = _loop(), list[float]()
        for index in range(1, 1000):
            loop.call_at(0.02 * index, lambda: ticks.append(loop.time()))
        await asyncio.to_thread(time.sleep, 0.15)
        return loop.time(), list(ticks)

    started = time.perf_counter()
    took, ticks = run_virtual(main())
    real = time.perf_counter() - started
    assert 0.15 <= took <= real + 0.001
    assert len(ticks) >= 7
    assert ticks == [pytest.approx(0.02 * (i + 1), abs=2e-6) for i in range(len(ticks))]


def test_a_thread_that_brackets_its_own_work_holds_the_clock() -> None:
    async def main() -> float:
        loop = _loop()
        answer: asyncio.Future[int] = loop.create_future()

        def work() -> None:
            time.sleep(0.05)
            loop.call_soon_threadsafe(answer.set_result, 7)
            loop.external_end()

        loop.external_begin()
        thread = threading.Thread(target=work)
        thread.start()
        assert await asyncio.wait_for(answer, 60) == 7
        thread.join()
        assert loop.external_in_flight == 0
        return loop.time()

    assert 0.05 <= run_virtual(main()) < 5.0


def test_cancelling_the_wait_for_a_thread_keeps_the_clock_honest_until_it_ends() -> None:
    async def main() -> tuple[int, int]:
        loop = _loop()
        gate = threading.Event()
        task = asyncio.ensure_future(asyncio.to_thread(gate.wait))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        still = loop.external_in_flight
        gate.set()
        await asyncio.sleep(1)
        return still, loop.external_in_flight

    assert run_virtual(main()) == (1, 0)


def test_real_sockets_work() -> None:
    async def main() -> bytes:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(5))
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"hello")
            got = await asyncio.wait_for(reader.read(), 30)
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(3)
        return got

    assert run_virtual(main()) == b"hello"


@pytest.mark.allow_leaks("a deadlocked task cannot end by itself")
def test_a_deadlock_names_who_waits() -> None:
    async def main() -> None:
        async def waits_for_ever() -> None:
            await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            group.create_task(waits_for_ever(), name="stuck-one")

    with pytest.raises(DeadlockError, match=r"stuck-one .*waits_for_ever.* at .*test_virtual_time\.py"):
        run_virtual(main())


@pytest.mark.allow_leaks("the loop is stopped in the middle")
def test_spinning_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aivoice.testing.virtual_time.SPIN_LIMIT", 2_000)

    async def main() -> None:
        for _ in itertools.count():
            await asyncio.sleep(0)

    with pytest.raises(SpinError, match="time stood still"):
        run_virtual(main())


@pytest.mark.allow_leaks("the loop is stopped in the middle")
def test_a_limit_of_virtual_time_ends_a_program_that_never_would() -> None:
    async def main() -> None:
        for _ in itertools.count():
            await asyncio.sleep(1)

    with pytest.raises(TimeoutError, match=r"passed its limit at 10[01]"):
        run_virtual(main(), limit_s=100)


@pytest.mark.allow_leaks("its leak is what is looked at")
def test_a_leaked_task_is_named() -> None:
    kept: list[asyncio.Task[None]] = []

    async def main() -> None:
        kept.append(asyncio.ensure_future(asyncio.sleep(60)))

    with pytest.raises(LeakError, match=r"leaked task.*sleep"):
        run_virtual(main())


@pytest.mark.allow_leaks("its leak is what is looked at")
def test_a_task_that_asyncio_run_would_cancel_without_a_word_is_named() -> None:
    async def forgetful() -> None:
        forgotten.append(asyncio.get_running_loop().create_task(asyncio.sleep(60), name="forgotten"))
        await asyncio.sleep(0)

    forgotten: list[asyncio.Task[None]] = []
    with pytest.raises(LeakError, match=r"asyncio.run ended with task.*forgotten"), assert_no_tasks_behind_a_run():
        asyncio.run(forgetful())


def test_leaked_threads_and_sockets_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aivoice.testing.leaks.GRACE_S", 0.05)
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait, name="forgotten")
    with pytest.raises(LeakError, match=r"leaked thread.*forgotten"), assert_no_leaks():
        thread.start()
    gate.set()
    thread.join()
    left: list[socket.socket] = []
    try:
        with pytest.raises(LeakError, match=r"leaked socket"), assert_no_leaks():
            left.extend(socket.socketpair())
    finally:
        for end in left:
            end.close()


def test_an_exception_keeps_its_type() -> None:
    async def main() -> None:
        await asyncio.sleep(5)
        raise KeyError("x")

    with pytest.raises(KeyError):
        run_virtual(main())


def test_two_runs_are_the_same() -> None:
    async def main() -> list[tuple[str, int]]:
        log: list[tuple[str, int]] = []

        async def walker(name: str, step: float) -> None:
            for _ in range(50):
                await asyncio.sleep(step)
                log.append((name, _loop().time_us()))

        async with asyncio.TaskGroup() as group:
            for index in range(5):
                group.create_task(walker(f"w{index}", 0.01 * (index + 1)))
        return log

    assert run_virtual(main()) == run_virtual(main())
