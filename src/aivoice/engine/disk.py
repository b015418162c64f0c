"""One thread writes the files of every call of the process, in batches, so that no disk ever delays a frame.

A `Spool` takes things on the event loop (an append, nothing more) and writes them when the thread asks. The thread
lives while there is a spool. Policy
- written: at least every `INTERVAL_S`; what was written survives the death of the process, `kill -9` included.
- synced to the medium: every `SYNC_S` and at close; what was synced survives a power cut.
- a spool whose disk fails, or that fails itself, stops writing, keeps its error (`failed`), and the call goes on, as do
  the files of all others.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import threading
import time
from pathlib import Path
from typing import Protocol, Self

from aivoice.errors import VoiceError

INTERVAL_S = 0.4
SYNC_S = 20.0
CLOSE_S = 5.0
"""Longest wait for the last write at close: a hung disk must not hold the call's end."""

_log = logging.getLogger(__name__)


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class DiskError(VoiceError):
    """A call's file could not be written: ``disk_full`` where space is what lacks, ``disk_failed`` otherwise."""

    code, stage, status = "disk_failed", "disk", 503

    @classmethod
    def of(cls, label: str, error: Exception, advice: str) -> Self:
        """label: the file or folder. advice: what to do about it."""
        made = cls(f"{label}: {_words(error)}; {advice}")
        if isinstance(error, OSError) and error.errno in _FULL:
            made.code, made.status = "disk_full", 507
        return made


def _words(error: Exception) -> str:
    """The system's words for it; of anything else the type only, as its text may hold what was written."""
    told = error.strerror if isinstance(error, OSError) else type(error).__name__
    return told or "cannot be written"


class Spool(Protocol):
    """Something written in batches. All but `label` are called by the writer's thread only."""

    @property
    def label(self) -> str:
        """What it is, for messages."""
        ...

    def write_batch(self) -> bool:
        """Write what has come in; False if that was nothing. May raise OSError."""
        ...

    def sync(self) -> None: ...

    def shut(self) -> None:
        """Finish the file and close it. Called once, also after a failure."""
        ...


class _Entry:
    """closed: the loop asked for the end. done: the file is shut."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.failed: Exception | None = None
        self.synced_at = 0.0
        self.dirty = False
        self.waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self.closing = False


class DiskWriter:
    """See the module. Thread-safe; loops and threads may share one."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval = interval_s
        self._entries: dict[int, _Entry] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, spool: Spool) -> None:
        """Write `spool` from now on, until `close`."""
        with self._lock:
            self._entries[id(spool)] = _Entry(spool)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="aivoice-disk", daemon=True)
                self._thread.start()

    async def close(self, spool: Spool) -> None:
        """Write the rest, shut the file. Idempotent. Raises DiskError if anything of it could not be written, or
        if the disk did not answer within `CLOSE_S`. The writer's thread has ended if this was its last spool."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._lock:
            entry = self._entries.get(id(spool))
            thread = self._thread
            if entry is None:
                return
            entry.waiters.append((loop, done))
            entry.closing = True
        begin, end = getattr(loop, "external_begin", None), getattr(loop, "external_end", None)
        if begin is not None:  # a virtual clock must know that real work is in flight
            begin()
        self._wake.set()
        try:
            await asyncio.wait_for(done, CLOSE_S)
        except TimeoutError:
            raise DiskError(f"{spool.label}: the disk did not answer within {CLOSE_S:g} s") from None
        finally:
            if end is not None:
                end()
        if entry.failed is not None:
            raise DiskError.of(spool.label, entry.failed, "free space or choose another folder with --out")
        with self._lock:
            over = self._thread is not thread
        if over and thread is not None:
            thread.join(CLOSE_S)

    def abandon(self, spool: Spool) -> None:
        """Shut the file of a call that never began. Does not wait: the thread does it within its interval."""
        with self._lock:
            entry = self._entries.get(id(spool))
            if entry is not None:
                entry.closing = True
        self._wake.set()

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        over = False
        while not over:
            self._wake.wait(self._interval)
            self._wake.clear()
            with self._lock:
                entries = list(self._entries.values())
            now = time.monotonic()
            shut: list[_Entry] = []
            for entry in entries:
                closing = entry.closing
                self._step(entry, now, closing)
                if closing:
                    self._shut(entry)
                    shut.append(entry)
            with self._lock:
                for entry in shut:
                    del self._entries[id(entry.spool)]
                over = not self._entries
                if over:
                    self._thread = None
            for entry in shut:
                self._release(entry)

    def _step(self, entry: _Entry, now: float, closing: bool) -> None:
        if entry.failed is not None:
            return
        try:
            entry.dirty = entry.spool.write_batch() or entry.dirty
            if entry.dirty and (closing or now - entry.synced_at >= SYNC_S):
                entry.spool.sync()
                entry.dirty, entry.synced_at = False, now
        except Exception as error:  # noqa: BLE001 - the thread serves every call: none may end it
            self._broken(entry, error)

    def _broken(self, entry: _Entry, error: Exception) -> None:
        entry.failed = error
        _log.warning("%s cannot be written any more: %s", entry.spool.label, _words(error))

    def _shut(self, entry: _Entry) -> None:
        try:
            entry.spool.shut()
        except Exception as error:  # noqa: BLE001 - as above
            self._broken(entry, error)

    def _release(self, entry: _Entry) -> None:
        with self._lock:
            waiters, entry.waiters = entry.waiters, []
        for loop, waiter in waiters:
            try:
                loop.call_soon_threadsafe(_resolve, waiter)
            except RuntimeError:
                continue  # its loop is closed: nobody waits any more


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class AppendFile(Protocol):
    """A file that only grows. Used by the writer's thread."""

    def write(self, data: bytes) -> None:
        """All of it, or OSError."""
        ...

    def sync(self) -> None: ...

    def close(self) -> None: ...


class PlainFile:
    """`AppendFile` as it is: a new or emptied file at `path`. Raises DiskError when it cannot be created."""

    def __init__(self, path: Path) -> None:
        self._descriptor = create_file(path, b"")

    def write(self, data: bytes) -> None:
        write_all(self._descriptor, data)

    def sync(self) -> None:
        sync_file(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def create_file(path: Path, first: bytes, access: int = os.O_WRONLY) -> int:
    """The descriptor of a new or emptied file that begins with `first`, its offset behind it. Only its owner may read.

    access: os.O_WRONLY or os.O_RDWR. Raises DiskError; nothing stays open then.
    """
    descriptor = -1
    try:
        descriptor = os.open(path, access | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        write_all(descriptor, first)
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        raise DiskError.of(str(path), error, "choose another folder with --out") from None
    return descriptor


def write_all(descriptor: int, data: bytes) -> None:
    """os.write may write less than it was given. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_file(descriptor: int) -> None:
    """fdatasync where there is one."""
    getattr(os, "fdatasync", os.fsync)(descriptor)


_shared = DiskWriter()


def shared_writer() -> DiskWriter:
    """The process's writer."""
    return _shared
