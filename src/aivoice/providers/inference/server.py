"""The inference process: reads requests from sockets, runs them on a bounded pool of threads, writes results back.

Started by `client.Inference` as ``python -m aivoice.providers.inference.server --fd N --load module:function``.
It ends when the socket it was started with closes (its parent ended, in whatever way), when its parent's process id
changes, or on SIGTERM. It ignores Ctrl-C: the parent decides. It never logs request contents.

``--load`` names a function ``load(progress, options) -> dict[str, Handler]``; it runs once, before READY, and may call
``progress(text)``. A handler runs on any worker thread; handlers of different jobs run at the same time.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aivoice.errors import VoiceError
from aivoice.providers.inference.schedule import Job, Priority, Schedule
from aivoice.providers.inference.watch import Progress
from aivoice.providers.inference.wire import Decoder, Kind, WireError, WireFrame, encode

Part = tuple[dict[str, Any], bytes]
Handler = Callable[[Mapping[str, Any], bytes], Iterator[Part]]
"""``handler(meta, blob)`` yields the parts of its answer, each sent at once. Raises VoiceError."""
Loader = Callable[[Callable[[str], None], Mapping[str, Any]], Mapping[str, Handler]]

SEND_LIMIT_S = 5.0
"""A client that does not read for so long is dropped: it must not hold a worker."""


@dataclass(slots=True)
class _Pending:
    connection: _Connection
    frame: WireFrame
    cancelled: threading.Event = field(default_factory=threading.Event)


class _Connection:
    """One client. Frames of different workers never mix: `send` holds the lock for a whole frame."""

    def __init__(self, number: int, sock: socket.socket) -> None:
        self.number = number
        self.sock = sock
        self._lock = threading.Lock()
        self._open = True

    def send(self, frame: WireFrame) -> None:
        data = encode(frame)
        with self._lock:
            if not self._open:
                return
            try:
                self.sock.sendall(data)
            except OSError:
                self._shut()

    def close(self) -> None:
        with self._lock:
            self._shut()

    def _shut(self) -> None:
        if self._open:
            self._open = False
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Server:
    """The pool. `workers` threads; at most `limit` waiting jobs; `at_most` as in `Schedule`."""

    def __init__(
        self, handlers: Mapping[str, Handler], *, workers: int, limit: int, at_most: Mapping[str, int]
    ) -> None:
        self._handlers = handlers
        self._schedule = Schedule(limit=limit, at_most=at_most)
        self._pending: dict[tuple[int, int], _Pending] = {}
        self._changed = threading.Condition()
        self._progress = Progress()
        self._began: dict[tuple[int, int], float] = {}
        self._numbers = iter(range(1, 1 << 62))
        for number in range(workers):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    def serve(self, sock: socket.socket) -> None:
        """Read one client's frames until it closes; runs in the caller's thread."""
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(SEND_LIMIT_S))
        connection = _Connection(next(self._numbers), sock)
        connection.send(WireFrame(Kind.READY, 0, {"pid": os.getpid(), "jobs": sorted(self._handlers)}))
        decoder = Decoder()
        try:
            while data := sock.recv(1 << 18):
                for frame in decoder.feed(data):
                    self._on_frame(connection, frame)
        except (OSError, WireError):
            pass  # the client is gone or broken: nobody is left to tell
        finally:
            connection.close()
            with self._changed:
                self._schedule.forget(connection.number)
                for key in [key for key in self._pending if key[0] == connection.number]:
                    self._pending[key].cancelled.set()
                    del self._pending[key]
            sock.close()

    def accept_on(self, listener: socket.socket) -> None:
        """Serve whoever connects, each on a thread of its own, until the listener closes."""
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), name="client", daemon=True).start()

    # ------------------------------------------------------------ frames in

    def _on_frame(self, connection: _Connection, frame: WireFrame) -> None:
        key = (connection.number, frame.id)
        match frame.kind:
            case Kind.REQUEST:
                self._on_request(connection, frame)
            case Kind.CANCEL:
                with self._changed:
                    pending = self._pending.pop(key, None)
                    self._schedule.cancel(key)
                if pending is not None:
                    pending.cancelled.set()
            case Kind.PROMOTE:
                with self._changed:
                    self._schedule.promote(key, Priority(int(frame.meta.get("priority", 0))))
                    self._changed.notify()
            case Kind.PING:
                with self._changed:
                    oldest = min(self._began.values(), default=None)
                    sign = self._progress.sign(time.monotonic(), time.process_time(), oldest)
                connection.send(WireFrame(Kind.PONG, 0, sign))
            case Kind.PART | Kind.DONE | Kind.ERROR | Kind.PROGRESS | Kind.READY | Kind.FAILED | Kind.PONG:
                raise WireError("a client sent a server's frame")

    def _on_request(self, connection: _Connection, frame: WireFrame) -> None:
        name = str(frame.meta.get("job", ""))
        if name not in self._handlers:
            connection.send(_error(frame.id, "unknown_job", "this inference process does not offer that job"))
            return
        wait_s = frame.meta.get("wait_s")
        expires = None if wait_s is None else time.monotonic() + float(wait_s)
        job = Job((connection.number, frame.id), name, Priority(int(frame.meta.get("priority", 6))), expires)
        with self._changed:
            self._pending[job.key] = _Pending(connection, frame)
            admission = self._schedule.add(job)
            self._changed.notify()
        if not admission.accepted:
            self._drop(job, "inference_full", "the inference queue is full")
        if admission.evicted is not None:
            self._drop(admission.evicted, "inference_full", "the inference queue is full")

    def _drop(self, job: Job, code: str, message: str) -> None:
        with self._changed:
            pending = self._pending.pop(job.key, None)
        if pending is not None:
            pending.connection.send(_error(pending.frame.id, code, message))

    # ------------------------------------------------------------ workers

    def _work(self) -> None:
        while True:
            with self._changed:
                while True:
                    job, late = self._schedule.take(time.monotonic())
                    if job is not None or late:
                        break
                    self._changed.wait()
                pending = None if job is None else self._pending.get(job.key)
                if job is not None:
                    self._began[job.key] = time.monotonic()
            for stale in late:
                self._drop(stale, "inference_stale", "dropped: newer audio made it useless before its turn came")
            if job is None:
                continue
            try:
                if pending is not None:
                    self._run(job, pending)
            finally:
                with self._changed:
                    self._schedule.done(job.key)
                    self._began.pop(job.key, None)
                    self._pending.pop(job.key, None)
                    self._changed.notify_all()

    def _run(self, job: Job, pending: _Pending) -> None:
        started = time.monotonic()
        frame, send = pending.frame, pending.connection.send
        try:
            for meta, blob in self._handlers[job.name](frame.meta, frame.blob):
                if pending.cancelled.is_set():
                    return
                send(WireFrame(Kind.PART, frame.id, meta, blob))
            send(WireFrame(Kind.DONE, frame.id, {"run_ms": round((time.monotonic() - started) * 1e3, 3)}))
        except VoiceError as error:
            send(_error(frame.id, error.code, str(error)))
        except Exception as error:  # noqa: BLE001 - a model library may raise anything; its text may hold caller words
            send(_error(frame.id, "model_failed", f"{job.name} failed with {type(error).__name__}"))


def _error(request: int, code: str, message: str) -> WireFrame:
    return WireFrame(Kind.ERROR, request, {"code": code, "message": message})


def _timeval(seconds: float) -> bytes:
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))


def _watch_parent(parent: int) -> None:
    """A second way to notice the parent's death, should another process have inherited the socket's other end."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)


def main(argv: list[str] | None = None) -> None:
    """Entry point of the child process; ends it with `os._exit`, for a model library may be deep in native code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parser = argparse.ArgumentParser(prog="aivoice-inference")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--options", default="{}")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--at-most", default="{}")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--listen", default="")
    options = parser.parse_args(argv)
    lifeline = socket.socket(fileno=options.fd)
    threading.Thread(target=_watch_parent, args=(options.parent,), name="parent", daemon=True).start()
    if options.nice:
        os.nice(options.nice)
    hello = _Connection(0, lifeline)

    def progress(text: str) -> None:
        hello.send(WireFrame(Kind.PROGRESS, 0, {"text": text}))

    progress("starting the inference process")
    try:
        module, _, function = options.load.partition(":")
        load: Loader = getattr(importlib.import_module(module), function)
        handlers = load(progress, json.loads(options.options))
    except VoiceError as error:
        hello.send(WireFrame(Kind.FAILED, 0, {"code": error.code, "message": str(error)}))
        os._exit(3)
    except Exception as error:  # noqa: BLE001 - whatever a model library raises, the parent must hear of it
        message = f"the models could not be loaded: {type(error).__name__}: {error}"
        hello.send(WireFrame(Kind.FAILED, 0, {"code": "model_failed", "message": " ".join(message.split())}))
        os._exit(3)
    server = Server(handlers, workers=options.workers, limit=options.limit, at_most=json.loads(options.at_most))
    if options.listen:
        _listen(server, options.listen)
    server.serve(lifeline)
    os._exit(0)


def _listen(server: Server, path: str) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen(16)
    threading.Thread(target=server.accept_on, args=(listener,), name="listener", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
