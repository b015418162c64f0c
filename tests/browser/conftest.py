"""Without a Chromium these tests are skipped before anything is set up."""

from __future__ import annotations

import pytest
from tests.browser.chromium import find_chromium


@pytest.fixture(autouse=True, scope="session")
def _has_chromium() -> None:
    find_chromium()
