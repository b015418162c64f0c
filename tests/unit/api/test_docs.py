"""docs/http.md names every route, every state and every problem code that the code has."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from tests.unit.api.test_api import QuickFactory

import aivoice.api
from aivoice.api.app import FILES, create_app
from aivoice.api.desk import CallDesk
from aivoice.api.directory import BusinessInfo
from aivoice.api.hub import BACKLOG
from aivoice.traces.model import State

ROOT = Path(aivoice.api.__file__).parents[3]
TEXT = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")


def test_every_route_is_documented(tmp_path: Path) -> None:
    desk = CallDesk(
        QuickFactory(), [BusinessInfo("a", "A")], capacity=1, directory=tmp_path, now=lambda: datetime.now(UTC)
    )
    documented = set(re.findall(r"`(GET|POST|DELETE|OPTIONS) (/[^`?]*)", TEXT))
    served = {
        (route.method, route.resource.canonical)
        for route in create_app(desk).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    served.remove(("GET", "/calls/{id}/{file}"))
    served |= {("GET", f"/calls/{{id}}/{name}") for name in FILES}
    assert documented == served


def test_every_problem_and_state_is_documented() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/aivoice/api").glob("*.py"))
    codes = set(re.findall(r'code="(\w+)"', source)) | set(re.findall(r'code, stage, status = "(\w+)"', source))
    internal = {"http_error", "cannot_listen"}  # not an answer to a request, or one that aiohttp itself makes
    assert sorted(code for code in codes - internal if f"`{code}`" not in TEXT) == []
    assert [state for state in get_args(State) if f"`{state}`" not in TEXT] == []
    assert f"{BACKLOG} batches" in TEXT
