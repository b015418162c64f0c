"""An inference process for several call processes, held by a supervisor that needs no event loop."""

from __future__ import annotations

import queue
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from aivoice.errors import MissingModelError, ProviderError
from aivoice.providers.inference.link import InferenceSettings, Link
from aivoice.providers.inference.wire import Kind, WireFrame


@contextmanager
def shared_inference(
    settings: InferenceSettings, *, progress: Callable[[str], None] | None = None
) -> Generator[InferenceSettings, None, None]:
    """Start the process, wait until its models are loaded, and give what others need to join it.

    It listens on a socket in a folder that only this user can enter; it is started again when it dies, and ended on
    leaving (within `end_limit_s` + 1 s). Raises MissingModelError or ProviderError when it cannot start.
    """
    news: queue.Queue[WireFrame | None] = queue.Queue(1_000)

    def tell(item: WireFrame | None) -> None:
        if not news.full():  # after the start nobody reads
            news.put_nowait(item)

    with tempfile.TemporaryDirectory(prefix="aivoice-") as folder:
        path = str(Path(folder) / "inference")
        ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        link = Link(
            replace(settings, listen=path),
            on_frame=tell,
            on_lost=lambda _: tell(None),
            on_closed=lambda: ended.put(None),
        )
        link.start()
        try:
            _wait_ready(news, settings.start_limit_s, progress)
            yield InferenceSettings(connect=path)
        finally:
            link.close()
            try:
                ended.get(timeout=settings.end_limit_s + 3.0)
            except queue.Empty:
                pass  # its thread is a daemon, and the child watches its parent
            link.join()


def _wait_ready(news: queue.Queue[WireFrame | None], limit_s: float, progress: Callable[[str], None] | None) -> None:
    while True:
        try:
            frame = news.get(timeout=limit_s)
        except queue.Empty:
            raise _lost("the inference process did not start in time") from None
        if frame is None:
            raise _lost("the inference process ended while it was starting")
        text, code = str(frame.meta.get("text", "")), str(frame.meta.get("code", ""))
        if frame.kind is Kind.READY:
            return
        if frame.kind is Kind.FAILED:
            kind = MissingModelError if code == MissingModelError.code else ProviderError
            raise kind(str(frame.meta.get("message", "")), code=code)
        if frame.kind is Kind.PROGRESS and progress is not None:
            progress(text)


def _lost(message: str) -> ProviderError:
    return ProviderError(message, code="inference_lost", stage="inference")
