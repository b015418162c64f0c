"""``aivoice-chatterbox``: see --help. Ends with 0 after a drain, 1 when the model is lost or cannot be loaded, 2 for a
wrong option."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from aivoice_chatterbox.model import Model
from aivoice_chatterbox.server import Server
from aivoice_chatterbox.settings import Settings, parsed


def model_of(settings: Settings) -> Model:
    """Nothing heavy is imported before `load`."""
    if settings.model == "stand-in":
        from aivoice_chatterbox.stand_in import StandInModel

        return StandInModel(rtf=settings.rtf, stretch_s=settings.stretch_s, batch=settings.batch)
    from aivoice_chatterbox.chatterbox import ChatterboxModel

    return ChatterboxModel(
        weights=settings.weights,
        device=settings.device,
        streaming=settings.streaming,
        temperature=settings.temperature,
    )


async def serve(settings: Settings) -> bool:
    """Until SIGTERM or SIGINT has drained it; a second signal ends it at once. False: the model is lost."""
    server = Server(model_of(settings), settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.drain)
    try:
        await server.start()
        print(f"aivoice-chatterbox listens on port {server.port}", flush=True)  # noqa: T201 - tests wait for it
        return await server.run()
    finally:
        await server.aclose()


def main(arguments: Sequence[str] | None = None) -> None:
    settings = parsed(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if not settings.key:
        logging.getLogger("aivoice_chatterbox").warning("no key is set: whoever reaches the port may speak")
    sys.setswitchinterval(0.001)  # the model's thread holds the interpreter between kernels; the loop waits less
    try:
        good = asyncio.run(serve(settings))
    except OSError as error:
        raise SystemExit(f"aivoice-chatterbox: cannot listen on port {settings.port} ({error.strerror})") from None
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
