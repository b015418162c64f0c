"""What a call used, from its records."""

from __future__ import annotations

from aivoice.core import commands as c
from aivoice.core import events as e
from aivoice.core.prompt import GenerationRequest
from aivoice.hosting.meter import UsageMeter


def test_tokens_of_guesses_that_were_thrown_away_are_counted_apart() -> None:
    meter = UsageMeter("c1")
    request = GenerationRequest(system="", tools=(), messages=())
    records: list[tuple[float, e.Event | c.Command]] = [
        (0.0, c.Speak(0, 1, "Hello.", True)),
        (0.1, e.ProviderAttempt("tts", "voice", "useful")),
        (1.0, e.MediaUp()),
        (1.5, e.ProviderAttempt("stt", "ears", "useful")),
        (2.0, c.Generate(1, 2, request, True)),
        (2.1, e.ProviderAttempt("llm", "mind", "useful")),
        (2.2, e.Usage(1, 2, 100, 10, 60)),
        (2.3, c.ReplyEnded(1, 3, "", "discarded")),
        (2.4, c.Generate(1, 4, request, False)),
        (2.5, e.Usage(1, 4, 100, 20, 60)),
        (2.6, c.Speak(1, 5, "Nine to five.", True)),
        (3.0, c.ReplyEnded(1, 5, "Nine to five.", "finished")),
        (3.5, c.RunTool(2, 6, "x", "book", "{}", "k", True, 5_000)),
        (5.2, c.Finish("caller_hung_up")),
    ]
    for at, item in records:
        meter(round(at * 1e6), item)
    used = {(event.type, event.provider): event.quantity for event in meter.events()}
    assert used == {
        ("stt.seconds", "ears"): 5,
        ("llm.prompt_tokens", "mind"): 40,
        ("llm.wasted_prompt_tokens", "mind"): 40,
        ("llm.cached_tokens", "mind"): 120,
        ("llm.completion_tokens", "mind"): 20,
        ("llm.wasted_completion_tokens", "mind"): 10,
        ("tts.characters", "voice"): 6 + 13,
        ("tool.calls", "book"): 1,
    }
    assert meter.events() == meter.events()


def test_who_was_asked_beside_another_is_paid_and_counted_as_wasted() -> None:
    meter = UsageMeter("c1")
    meter(1, e.ProviderAttempt("llm", "second", "useful"))
    meter(2, e.Usage(1, 2, 100, 10, 0))
    meter(3, e.Usage(1, 2, 100, 0, 90, provider="first", wasted=True))
    used = {(event.type, event.provider): event.quantity for event in meter.events()}
    assert used == {
        ("llm.prompt_tokens", "second"): 100,
        ("llm.completion_tokens", "second"): 10,
        ("llm.wasted_prompt_tokens", "first"): 10,
        ("llm.cached_tokens", "first"): 90,
    }
