"""What the control plane does by itself: sends deliveries, and erases what is older than its tenant keeps it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from aivoice.api.control.context import Control
from aivoice.api.control.idempotency import forget_old
from aivoice.errors import InputError
from aivoice.knowledge.documents import purge
from aivoice.security.retention import forget_expired
from aivoice.store import StoreError
from aivoice.tenants.erasure import ERASED, sweep
from aivoice.tenants.lifecycle import tenants
from aivoice.tenants.settings import settings_of
from aivoice.tools.fakes import NoMailer, NoTexts
from aivoice.tools.guarded_http import guarded_session
from aivoice.tools.ports import Mailer
from aivoice.tools.smtp import SmtpMailer, SmtpSettings
from aivoice.tools.worker import DeliveryWorker, Senders
from aivoice.traces.sealed import NAMES

SWEEP_S = 3_600.0
PAGE = 200
CALLS = 500
"""Calls whose files are compared with their keys at a time."""

_log = logging.getLogger(__name__)


def mailer_of(url: str, control: Control) -> Mailer:
    """url: ``smtp://user:password@host:587?from=Desk%20<desk@example.com>`` (``smtps:`` for TLS from the first byte,
    ``?tls=none`` for a server of this machine); "": mail goes to the dead letters. Raises InputError."""
    if not url:
        return NoMailer()
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    sender = query.get("from", [""])[0]
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not sender:
        raise InputError(
            "AIVOICE_SMTP cannot be read: write smtp://user:password@host:587?from=desk@example.com", stage="tools"
        )
    tls = "tls" if parts.scheme == "smtps" else "none" if query.get("tls", [""])[0] == "none" else "starttls"
    return SmtpMailer(
        SmtpSettings(
            parts.hostname,
            sender,
            port=parts.port or (465 if tls == "tls" else 587),
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            tls=tls,
        ),
        now=control.now,
    )


async def run_chores(control: Control, mailer: Mailer) -> None:
    """Until cancelled. A database that is away is waited for."""
    async with guarded_session(control.guard) as session:
        senders = Senders(session, control.guard, mailer, NoTexts())
        worker = DeliveryWorker(control.store, control.sealer, senders, now=control.now)
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.run(), name="deliveries")
            group.create_task(_keep_sweeping(control), name="retention")


async def _keep_sweeping(control: Control) -> None:
    while True:
        try:
            await sweep_all(control)
        except StoreError as error:
            _log.warning("what is old is erased later: %s", error)
        await asyncio.sleep(SWEEP_S)


async def sweep_all(control: Control) -> int:
    """Every tenant once; the rows erased. Raises StoreError; what was done until then stays done."""
    erased, after = await forget_expired(control.store, now=control.now()), ""
    while True:
        async with control.store.platform() as platform:
            if not after:
                erased += await forget_old(platform, control.now())
            page = await tenants(platform, after=after, limit=PAGE)
        for tenant in page:
            after = tenant.id
            async with control.store.tenant(tenant.id) as scope:
                keep = (await settings_of(scope)).keep
                done = await sweep(
                    scope,
                    recordings=keep.recordings,
                    transcripts=keep.transcripts,
                    callers=keep.callers,
                    now=control.now(),
                )
                erased += sum(done.values()) + await purge(scope, now=control.now())
            if done["recording"] or done["journal"] or done[ERASED]:
                await _remove_unreadable(control, tenant.id)
        if len(page) < PAGE:
            return erased


async def _remove_unreadable(control: Control, tenant_id: str) -> None:
    """Files whose key is gone are noise: the room is given back. What is there is listed before its keys are asked
    for: a call has its keys before its files, so the files of one that begins meanwhile are not touched."""
    folder = control.calls / tenant_id
    calls = await asyncio.to_thread(_files_of_calls, folder)
    for at in range(0, len(calls), CALLS):
        page = dict(calls[at : at + CALLS])
        async with control.store.tenant(tenant_id) as scope:
            rows = await scope.all(
                "SELECT call_id, file FROM call_keys WHERE tenant_id = %(tenant_id)s AND call_id = ANY (%(ids)s)",
                {"ids": list(page)},
            )
        readable = {(row["call_id"], NAMES[row["file"]]) for row in rows}
        gone = [folder / call / name for call, names in page.items() for name in names if (call, name) not in readable]
        await asyncio.to_thread(_unlink, gone)


def _files_of_calls(folder: Path) -> list[tuple[str, list[str]]]:
    calls = list(folder.iterdir()) if folder.is_dir() else []
    return [(call.name, [file.name for file in call.iterdir()]) for call in calls]


def _unlink(files: list[Path]) -> None:
    """And the folders that nothing is left in."""
    for file in files:
        file.unlink(missing_ok=True)
    for folder in {file.parent for file in files}:
        with suppress(OSError):  # something else is in it
            folder.rmdir()
