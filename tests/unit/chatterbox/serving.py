"""A server on the stand-in model, in this process, on a port of its own; and clips to make voices of."""

from __future__ import annotations

import contextlib
import io
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from aivoice_chatterbox.server import Server
from aivoice_chatterbox.settings import Settings
from aivoice_chatterbox.stand_in import StandInModel

RATE = 24_000


@dataclass(frozen=True, slots=True)
class Served:
    server: Server
    model: StandInModel
    http: aiohttp.ClientSession
    url: str

    async def speak(self, text: str, **more: Any) -> bytes:
        async with self.http.post(f"{self.url}/v1/speak", json={"text": text, **more}) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()

    async def error(self, method: str, path: str, **request: Any) -> tuple[int, str]:
        async with self.http.request(method, self.url + path, **request) as answer:
            body = await answer.json()
            assert set(body["error"]) == {"code", "message", "type", "param"}
            assert "\n" not in body["error"]["message"]
            return answer.status, body["error"]["code"]

    async def metrics(self) -> dict[str, float]:
        async with self.http.get(f"{self.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name.removeprefix("aivoice_chatterbox_"): float(value) for name, value in pairs}


@contextlib.asynccontextmanager
async def served(folder: Path, model: StandInModel | None = None, **settings: Any) -> AsyncIterator[Served]:
    model = model or StandInModel(rtf=0.01)
    server = Server(model, Settings(**{"host": "127.0.0.1", "port": 0, "voices": folder, **settings}))
    await server.start()
    key = server._settings.key
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        await server.ready()
        async with aiohttp.ClientSession(headers=headers) as http:
            yield Served(server, model, http, f"http://127.0.0.1:{server.port}")
    finally:
        await server.aclose()


def clip(seconds: float = 8.0, *, rate: int = RATE, channels: int = 1, width: int = 2, level: float = 0.3) -> bytes:
    """A WAV file of a wavering tone."""
    at = np.arange(int(seconds * rate)) / rate
    tone = level * np.sin(2 * np.pi * 170 * at) * (0.7 + 0.3 * np.sin(2 * np.pi * 3 * at))
    whole = np.rint(np.repeat(tone, channels) * (2 ** (8 * width - 1) - 1)).astype("<i8")
    frames = whole.view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(frames)
    return out.getvalue()
