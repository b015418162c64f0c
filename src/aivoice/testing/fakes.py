"""Every fake in one place: shipped implementations of the ports, for tests, the simulator and benchmarks."""

from aivoice.testing.fake_llm import Author, FailingLlm, FakeLlm, LlmBehaviour, Reply, TimedLlm, scripted
from aivoice.testing.fake_senses import FakeEmbedder, FakeTurnDetector, FakeVad
from aivoice.testing.fake_stt import FakeStt, SttBehaviour
from aivoice.testing.fake_tts import FakeTts, TtsBehaviour
from aivoice.testing.randomness import AT_ONCE, Constant, Latency, LogNormal, Uniform, derive
from aivoice.testing.truth import SpokenWord, Truth, lay_out

__all__ = [
    "AT_ONCE",
    "Author",
    "Constant",
    "FailingLlm",
    "FakeEmbedder",
    "FakeLlm",
    "FakeStt",
    "FakeTts",
    "FakeTurnDetector",
    "FakeVad",
    "Latency",
    "LlmBehaviour",
    "LogNormal",
    "Reply",
    "SpokenWord",
    "SttBehaviour",
    "TimedLlm",
    "Truth",
    "TtsBehaviour",
    "Uniform",
    "derive",
    "lay_out",
    "scripted",
]
