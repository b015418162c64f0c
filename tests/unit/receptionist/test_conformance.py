"""The receptionist keeps the LanguageModel port's contract."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from aivoice.core.prompt import GenerationRequest, Message, ToolSpec
from aivoice.providers.receptionist import Facts, Receptionist
from aivoice.testing.conformance import llm, name_of

Offices = dict[str, tuple[Facts, tuple[ToolSpec, ...]]]
NOW = "2026-11-23T10:00:00-05:00"


@pytest.mark.parametrize("check", llm.CHECKS, ids=name_of)
def test_llm(check: Callable[[llm.Subject], Awaitable[None]], offices: Offices) -> None:
    facts, specs = offices["dental"]
    words = GenerationRequest("", specs, (Message("user", "are you open on saturday"),), call_time=NOW, turn=1)
    asking = Message("user", "book a cleaning on wednesday at three pm")
    subject = llm.Subject(Receptionist(facts), words, GenerationRequest("", specs, (asking,), call_time=NOW, turn=1))
    asyncio.run(check(subject))  # type: ignore[arg-type]
