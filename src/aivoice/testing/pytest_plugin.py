"""pytest: every test is checked for leaked tasks, threads and sockets.

Load it with ``pytest_plugins = ["aivoice.testing.pytest_plugin"]`` in conftest.py.
A test that may leave something on purpose says why: ``@pytest.mark.allow_leaks("the model server is shared")``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aivoice.testing.leaks import assert_no_leaks, assert_no_tasks_behind_a_run


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "allow_leaks(reason): tasks, threads and sockets may outlive this test")


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """No task, thread or socket outlives a test."""
    if request.node.get_closest_marker("allow_leaks") is not None:  # pyright: ignore[reportUnknownMemberType]
        yield
        return
    with assert_no_leaks(), assert_no_tasks_behind_a_run():
        yield
