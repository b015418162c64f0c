"""Every test is checked for leaked tasks, threads and sockets."""

from __future__ import annotations

import pytest

from aivoice.audio.echo import EchoCanceller

pytest_plugins = ["aivoice.testing.pytest_plugin"]


@pytest.fixture(scope="session", autouse=True)
def native_echo_library() -> None:
    """LiveKit's native library opens two sockets when first used and keeps them for as long as the process lives: it
    is loaded before the first test looks at what is open."""
    EchoCanceller()
