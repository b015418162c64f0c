"""What the receptionist costs the event loop that every call shares."""

from __future__ import annotations

import time
from collections.abc import Callable

from aivoice.core.prompt import Message
from aivoice.providers.receptionist import Facts
from aivoice.providers.receptionist.model import moment, shapes_of
from aivoice.providers.receptionist.replay import replaying
from aivoice.providers.receptionist.state import State
from aivoice.testing.dialogue import Dialogue


def test_a_long_sentence_never_holds_the_event_loop_up(office: Callable[..., Dialogue]) -> None:
    """67 words cost 7 to 9 ms in all; no step of them more than 5 ms of the processor, first reading included."""
    said = (
        "Hi there, um, so I was calling because last Tuesday around nine thirty I chipped my front tooth while I was "
        "eating and it has been hurting ever since, and I was wondering whether you could maybe fit me in next "
        "Wednesday afternoon or Thursday morning, my name is Anna Miller and my number is five five five oh one two "
        "three four five six, thank you."
    )

    def steps(number: int) -> list[float]:
        call = office("dental")
        call.messages.append(Message("user", said.replace("Miller", f"Miller{'abcdefgh'[number]}")))
        request = call.request()
        state = State(moment(request.call_time, "UTC"), Facts("Bright Dental"), shapes_of(request.tools))
        taken: list[float] = []
        before = time.thread_time()
        for _ in replaying(state, request.messages):
            taken.append(time.thread_time() - before)
            before = time.thread_time()
        assert state.values["phone"] == "5550123456"
        return taken

    runs = [steps(number) for number in range(8)]
    assert all(len(taken) >= 15 for taken in runs)
    assert min(max(taken) for taken in runs) < 0.005
