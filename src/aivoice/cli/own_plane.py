"""The control plane of this machine's installation, in this process: the same routes, asked as its operator."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import get_args

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

CALLS = Path("calls")
"""Where `aivoice serve` keeps the files of calls, unless it is told otherwise."""


@asynccontextmanager
async def own_plane(
    data: Path | None, *, models: bool, progress: Callable[[str], None]
) -> AsyncGenerator[tuple[httpx2.AsyncClient, Installation]]:
    """A client of it, while the block runs. Raises KeysError, StoreError, MissingModelError, ProviderError."""
    folder = data or data_folder()
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(open_installation(folder, progress=progress, connections=4))
        embedder = await _embedder(stack, folder, progress) if models else None
        guard = guard_of_environment()
        control = stack.enter_context(
            control_over(installation.store, installation.keyring, calls=CALLS, embedder=embedder, guard=guard)
        )
        app = create_control(control)
        app.dependency_overrides[principal_of] = _operator
        transport = httpx2.ASGITransport(app=app)
        client = httpx2.AsyncClient(transport=transport, base_url="http://local", timeout=60)
        yield await stack.enter_async_context(client), installation


async def _operator() -> Principal:
    """Whoever may read the keys of an installation is its operator."""
    return Principal("system", "command line", None, frozenset(get_args(Permission)))


async def _embedder(stack: AsyncExitStack, folder: Path, progress: Callable[[str], None]) -> Embedder:
    """Of a server that runs over this folder, or of our own (a few seconds)."""
    socket = folder / INFERENCE
    if socket.exists():
        try:
            joined = Inference(settings(connect=str(socket)))
            return MiniLmEmbedder(await stack.enter_async_context(joined))
        except VoiceError:
            progress("no server runs here")
    models = await stack.enter_async_context(EmbeddedSet.start(progress=progress))
    return models.embedder
