"""What the test child runs: jobs that answer, wait, fail, or take the process with them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aivoice.errors import MissingModelError, ProviderError
from aivoice.providers.inference.server import Handler

Part = tuple[dict[str, Any], bytes]


def load(progress: Callable[[str], None], options: Mapping[str, Any]) -> dict[str, Handler]:
    progress("loading nothing")
    if options.get("missing"):
        raise MissingModelError("the package frobnicate is not installed; run `make setup`")
    if options.get("broken"):
        raise ValueError("bad weights")
    if options.get("dies"):
        os._exit(9)
    return {"echo": echo, "slow": slow, "slow:other": slow, "fails": fails, "crash": crash, "parts": parts}


def echo(meta: Mapping[str, Any], blob: bytes) -> Iterator[Part]:
    yield {"said": meta.get("say", ""), "environment": os.environ["OMP_NUM_THREADS"]}, blob[::-1]


def slow(meta: Mapping[str, Any], _blob: bytes) -> Iterator[Part]:
    time.sleep(float(meta.get("seconds", 0.05)))
    yield {"at": time.monotonic()}, b""


def parts(meta: Mapping[str, Any], _blob: bytes) -> Iterator[Part]:
    for index in range(int(meta["count"])):
        yield {"index": index}, bytes(index)


def fails(meta: Mapping[str, Any], _blob: bytes) -> Iterator[Part]:
    if meta.get("politely"):
        raise ProviderError("no voice of that name", code="no_voice")
    raise RuntimeError("the caller said: my card is 1234")
    yield {}, b""


def crash(_meta: Mapping[str, Any], _blob: bytes) -> Iterator[Part]:
    os._exit(11)
    yield {}, b""
