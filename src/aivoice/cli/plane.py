"""How the command line reaches the control plane: a server's by HTTP, or the installation of this machine, through the
same routes either way."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from aivoice.errors import VoiceError

if TYPE_CHECKING:
    from aivoice.hosting.installation import Installation

SERVER, KEY = "AIVOICE_SERVER", "AIVOICE_KEY"

Progress = Callable[[str], None]


class PlaneError(VoiceError):
    """The control plane refused, or cannot be reached; its own words."""

    code, stage = "refused", "cli"

    def __init__(self, message: str, *, code: str, errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message, code=code)
        self._errors = errors or []

    def lines(self) -> tuple[str, ...]:
        """One a problem, with its place."""
        return tuple(_line(each) for each in self._errors) or (str(self),)


def _line(error: dict[str, Any]) -> str:
    place = f"line {error['line']}: " if error.get("line") else f"{error['where']}: " if error.get("where") else ""
    return f"{place}{error['what']}"


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """installation: None where it is a server's."""

    client: httpx2.AsyncClient
    installation: Installation | None

    async def ask(self, method: str, path: str, **given: Any) -> Any:
        """The JSON of the answer; None where there is none. Raises PlaneError."""
        response = await self.send(method, path, **given)
        return response.json() if response.content else None

    async def send(self, method: str, path: str, **given: Any) -> httpx2.Response:
        """Raises PlaneError for everything but 2xx."""
        try:
            response = await self.client.request(method, path, **given)
        except httpx2.HTTPError as error:
            raise PlaneError(
                f"the server cannot be reached ({type(error).__name__}): see --server and {SERVER}", code="server_away"
            ) from None
        if response.is_success:
            return response
        try:
            body = response.json()
            raise PlaneError(str(body["detail"]), code=str(body["code"]), errors=body.get("errors"))
        except (json.JSONDecodeError, KeyError, TypeError):
            raise PlaneError(f"the server answered {response.status_code}", code="refused") from None


@asynccontextmanager
async def control_plane(
    *, data: Path | None, server: str, key: str, models: bool = False, progress: Progress = lambda _: None
) -> AsyncGenerator[ControlPlane]:
    """server, key: of a control plane that runs (``""``: AIVOICE_SERVER and AIVOICE_KEY); without one, the installation
    of this machine, as its operator. models: embeddings are needed. Raises VoiceError."""
    server = server or os.environ.get(SERVER, "")
    if server:
        headers = {"Authorization": f"Bearer {key or os.environ.get(KEY, '')}"}
        async with httpx2.AsyncClient(base_url=server, headers=headers, timeout=60) as client:
            yield ControlPlane(client, None)
        return
    from aivoice.cli.own_plane import own_plane  # the whole platform: only where it is this machine's

    async with own_plane(data, models=models, progress=progress) as (client, installation):
        yield ControlPlane(client, installation)
