"""The thread pair that joins a call process to the inference process: start it, read, write, restart it when it dies.

No socket of it is registered with the event loop, so it serves a loop on virtual time as well as a real one. All
callbacks are called on the link's own threads.
"""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aivoice
from aivoice.errors import ProviderError
from aivoice.providers.inference.watch import Turn, Watch
from aivoice.providers.inference.wire import Decoder, Kind, WireError, WireFrame, encode

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1"}
"""Parallelism comes from running several jobs at once; libraries' own threads only get in the way."""


@dataclass(frozen=True, slots=True)
class InferenceSettings:
    """load: ``module:function`` that loads the models in the child (see `server`). options: handed to it, JSON.

    workers: threads of the pool. limit: most waiting jobs. at_most: group of jobs → most workers at once. nice: added
    to the child's niceness, so that inference never delays an audio frame. listen: also serve other processes at this
    socket path. connect: use the process that listens there instead of starting one. python_path: put before the
    child's own.
    A dead child is started again after `restart_pause_s`, doubled with each further death in a minute, at most 10 s.
    """

    load: str = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    workers: int = 2
    limit: int = 64
    at_most: Mapping[str, int] = field(default_factory=dict[str, int])
    nice: int = 0
    listen: str = ""
    connect: str = ""
    python_path: tuple[str, ...] = ()
    restart_pause_s: float = 0.2
    start_limit_s: float = 60.0
    end_limit_s: float = 1.0


class Link:
    """One connection that mends itself. From its thread: `on_frame(frame)`, `on_lost(seconds until the next try)`,
    and `on_closed()` last of all, after `close`."""

    def __init__(
        self,
        settings: InferenceSettings,
        *,
        on_frame: Callable[[WireFrame], None],
        on_lost: Callable[[float], None],
        on_closed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._on_frame, self._on_lost, self._on_closed = on_frame, on_lost, on_closed
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._writer: _Writer | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._live, name="inference-link", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def close(self) -> None:
        """Ask it to end: the child goes, `on_closed` follows within `end_limit_s` + 0.5 s. Idempotent, never blocks."""
        self._closing.set()
        with self._lock:
            if self._sock is not None:
                _shut(self._sock)

    def join(self) -> None:
        """Wait for the thread itself, after `on_closed`: some microseconds."""
        self._thread.join(1.0)

    @property
    def process_id(self) -> int | None:
        """The child's, while this link owns one that runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    # ------------------------------------------------------------ the reading thread

    def _live(self) -> None:
        deaths: deque[float] = deque(maxlen=8)
        try:
            while not self._closing.is_set():
                self._one_connection()
                now = time.monotonic()
                deaths.append(now)
                recent = sum(1 for death in deaths if death > now - 60.0)
                pause = min(10.0, self._settings.restart_pause_s * 2 ** (recent - 1))
                self._on_lost(pause)
                self._closing.wait(pause)
        finally:
            self._on_closed()

    def _one_connection(self) -> None:
        """Open, and read until the end."""
        try:
            sock = self._open()
        except OSError:
            return
        writer = _Writer(sock)
        with self._lock:
            self._writer = writer
        try:
            self._read(sock, writer)
        except (OSError, WireError):
            pass
        finally:
            with self._lock:
                self._sock = None
                self._writer = None
            writer.stop()
            sock.close()
            self._reap()

    def _read(self, sock: socket.socket, writer: _Writer) -> None:
        """Until the end, or until the process hangs: then it is killed, as it would not go by itself."""
        loading = not self._settings.connect  # whoever listens has loaded its models
        watch = Watch(time.monotonic(), loading=loading, load_s=self._settings.start_limit_s)
        decoder, waiting = Decoder(), select.poll()
        waiting.register(sock, select.POLLIN)
        while True:
            if waiting.poll(watch.wait_s(time.monotonic()) * 1e3):
                if not (data := sock.recv(1 << 18)):
                    return
                for frame in decoder.feed(data):
                    watch.frame()
                    if frame.kind is Kind.PONG:
                        watch.answered(float(frame.meta["stalled_s"]), float(frame.meta["oldest_s"]))
                        continue
                    if frame.kind is Kind.READY:
                        watch.ready()
                    self._on_frame(frame)
            match watch.turn(time.monotonic()):
                case Turn.WAIT:
                    pass
                case Turn.ASK:
                    with suppress(ProviderError):  # full: not answered either
                        writer.put(encode(WireFrame(Kind.PING, 0)))
                case Turn.HUNG:
                    if self._process is not None:
                        self._process.kill()
                    return

    def send(self, frame: bytes) -> bool:
        """Queue an encoded frame; False when there is no connection now (the caller asks again after the next READY).

        Raises ProviderError ``inference_full`` when too many wait to be written.
        """
        with self._lock:
            writer = self._writer
        return writer is not None and writer.put(frame)

    def _open(self) -> socket.socket:
        if self._settings.connect:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.connect(self._settings.connect)
            except OSError:
                sock.close()
                raise
        else:
            sock = self._spawn()
        with self._lock:
            self._sock = sock
            if self._closing.is_set():
                _shut(sock)
        return sock

    def _spawn(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        given = self._settings
        paths = [*given.python_path, str(Path(aivoice.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
        command = [sys.executable, "-m", "aivoice.providers.inference.server", "--fd", str(theirs.fileno())]
        command += ["--parent", str(os.getpid()), "--load", given.load, "--options", json.dumps(dict(given.options))]
        command += ["--workers", str(given.workers), "--limit", str(given.limit), "--nice", str(given.nice)]
        command += ["--at-most", json.dumps(dict(given.at_most)), "--listen", given.listen]
        if given.listen:
            Path(given.listen).unlink(missing_ok=True)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if os.environ.get("AIVOICE_INFERENCE_STDERR") else subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
                start_new_session=True,  # the terminal's Ctrl-C goes to the parent alone
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def _reap(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            process.wait(self._settings.end_limit_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(2.0)
        self._process = None
        if self._settings.listen:
            Path(self._settings.listen).unlink(missing_ok=True)


class _Writer:
    """A thread that writes, so that a full socket buffer never blocks the event loop. At most `LIMIT` frames wait."""

    LIMIT = 512

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._queue: queue.Queue[bytes | None] = queue.Queue(self.LIMIT)
        self._thread = threading.Thread(target=self._write, name="inference-writer", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> bool:
        try:
            self._queue.put_nowait(data)
        except queue.Full:
            message = "the inference process does not keep up"
            raise ProviderError(message, code="inference_full", stage="inference") from None
        return True

    def stop(self) -> None:
        _shut(self._sock)
        while True:
            try:
                self._queue.put_nowait(None)
                break
            except queue.Full:
                try:
                    self._queue.get_nowait()
                except queue.Empty:
                    pass
        self._thread.join(2.0)

    def _write(self) -> None:
        while (data := self._queue.get()) is not None:
            try:
                self._sock.sendall(data)
            except OSError:
                return


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
