"""How the command line reaches the control plane: a server's by HTTP, or the installation of this machine, through the
same routes either way."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import httpx2

from aivoice.api.control.app import create_control
from aivoice.api.control.asked import principal_of
from aivoice.api.control.context import control_over
from aivoice.errors import VoiceError
from aivoice.hosting.installation import INFERENCE, Installation, data_folder, open_installation
from aivoice.hosting.platform import guard_of_environment
from aivoice.providers.embedded.bundle import EmbeddedSet, settings
from aivoice.providers.embedded.minilm import MiniLmEmbedder
from aivoice.providers.inference import Inference
from aivoice.providers.ports import Embedder
from aivoice.security.permissions import Permission, Principal

SERVER, KEY = "AIVOICE_SERVER", "AIVOICE_KEY"
CALLS = "calls"

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
    async with AsyncExitStack() as stack:
        if server:
            headers = {"Authorization": f"Bearer {key or os.environ.get(KEY, '')}"}
            client = httpx2.AsyncClient(base_url=server, headers=headers, timeout=60)
            yield ControlPlane(await stack.enter_async_context(client), None)
            return
        folder = data or data_folder()
        installation = await stack.enter_async_context(open_installation(folder, progress=progress, connections=4))
        embedder = await _embedder(stack, folder, progress) if models else None
        control = stack.enter_context(
            control_over(
                installation.store,
                installation.keyring,
                calls=Path(CALLS),
                embedder=embedder,
                guard=guard_of_environment(),
            )
        )
        app = create_control(control)
        app.dependency_overrides[principal_of] = _this_machine
        transport = httpx2.ASGITransport(app=app)
        client = httpx2.AsyncClient(transport=transport, base_url="http://local", timeout=60)
        yield ControlPlane(await stack.enter_async_context(client), installation)


async def _this_machine() -> Principal:
    """Whoever may read the keys of an installation is its operator."""
    return Principal("system", "command line", None, frozenset(get_args(Permission)))


async def _embedder(stack: AsyncExitStack, folder: Path, progress: Progress) -> Embedder:
    """Of a server that runs over this folder, or of our own (a few seconds)."""
    socket = folder / INFERENCE
    if socket.exists():
        try:
            joined = Inference(settings(connect=str(socket)))
            return MiniLmEmbedder(await stack.enter_async_context(joined))
        except VoiceError:
            progress("no server runs here: loading the models")
    models = await stack.enter_async_context(EmbeddedSet.start(progress=progress))
    return models.embedder
