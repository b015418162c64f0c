"""Every real transport passes its port's suite: memory, memory under echo cancellation, file, WebRTC on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from aivoice.audio.frames import FRAME_BYTES, SILENCE
from aivoice.audio.pacer import Pacer
from aivoice.audio.wav import write_wav
from aivoice.testing.conformance import name_of, transport
from aivoice.testing.leaks import assert_no_leaked_tasks
from aivoice.testing.virtual_time import run_virtual
from aivoice.testing.webrtc_probe import LOCAL, babble
from aivoice.transports.echo_cancelled import EchoCancelled
from aivoice.transports.file import FileTransport
from aivoice.transports.memory import MemoryTransport
from aivoice.transports.webrtc import answer, offer, take_answer
from aivoice.transports.webrtc_caller import WebRtcCaller

Check = Callable[[transport.Subject], Awaitable[None]]
VOICE = babble(2.0, 1)


async def _nothing() -> None:
    return None


async def _wait(ms: int) -> None:
    await asyncio.sleep(ms / 1000)


class Mouth:
    """A source that is silent until it is told to speak."""

    def __init__(self) -> None:
        self.left = bytearray()

    def frame(self) -> bytes:
        if not self.left:
            return SILENCE
        frame = bytes(self.left[:FRAME_BYTES])
        del self.left[:FRAME_BYTES]
        return frame

    async def speak(self, ms: int) -> None:
        self.left += VOICE[: ms * 32 // FRAME_BYTES * FRAME_BYTES]
        await _wait(ms)


@pytest.mark.parametrize("check", transport.CHECKS, ids=name_of)
@pytest.mark.parametrize("cancelled", [False, True], ids=["memory", "echo-cancelled"])
def test_memory(check: Check, cancelled: bool) -> None:
    async def main() -> None:
        pacer, mouth = Pacer(asyncio.get_running_loop()), Mouth()
        leg = MemoryTransport(mouth.frame, pacer=pacer)

        async def hang_up() -> None:
            leg.hang_up()

        subject = EchoCancelled(leg) if cancelled else leg
        await check(transport.Subject(subject, _nothing, mouth.speak, hang_up))
        assert len(pacer) == 0

    run_virtual(main())


@pytest.mark.parametrize("check", transport.CHECKS, ids=name_of)
def test_file(check: Check, tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", VOICE)

    async def main() -> None:
        pacer = Pacer(asyncio.get_running_loop())
        leg = FileTransport(tmp_path / "in.wav", tmp_path / "out.wav", pacer=pacer, tail_s=0.5)
        await check(transport.Subject(leg, _nothing, _wait, _nothing))
        await leg.close("checked")
        assert len(pacer) == 0

    run_virtual(main())


@pytest.mark.parametrize("check", transport.CHECKS, ids=name_of)
def test_webrtc(check: Check) -> None:
    async def main() -> None:
        pacer = Pacer(asyncio.get_running_loop())
        text, far = await offer(pacer=pacer, settings=LOCAL)
        reply, leg = await answer(text, pacer=pacer, settings=LOCAL)
        take_answer(far, reply)
        mouth = Mouth()

        async def connect() -> None:
            await far.start(transport.Sink())
            pacer.add(lambda: far.write(mouth.frame()))

        async def hang_up() -> None:
            await far.close("leaving")

        await check(transport.Subject(leg, connect, mouth.speak, hang_up))
        await far.close("checked")
        await leg.close("checked")
        pacer.close()
        await assert_no_leaked_tasks()

    asyncio.run(main())


def test_a_caller_whose_server_refuses_leaves_nothing() -> None:
    async def main() -> None:
        pacer = Pacer(asyncio.get_running_loop())
        caller = WebRtcCaller(pacer=pacer, settings=LOCAL)

        async def refuse(_: str) -> str:
            raise ConnectionRefusedError

        with pytest.raises(ConnectionRefusedError):
            await caller.dial(refuse)
        await caller.close()
        await caller.close()
        assert caller.reason == "hung_up"
        assert len(pacer) == 0
        await assert_no_leaked_tasks()

    asyncio.run(main())
