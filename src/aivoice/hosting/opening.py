"""Tenants from business files on this machine: what `aivoice serve FILE …` and `aivoice tenant apply FILE` share."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aivoice.billing import open_account
from aivoice.errors import InputError
from aivoice.hosting.installation import Installation
from aivoice.store import ConflictError, NotFoundError, Store
from aivoice.tenants.bundle import Draft, check_bundle, read_bundle
from aivoice.tenants.lifecycle import attach_service, create, get
from aivoice.tenants.numbers import NumberError, assign, numbers_of, parse_number
from aivoice.tenants.versions import Applied, apply

TRIAL = "+1555010{:04}"
"""Numbers for trials: of the range that films use, which nobody has."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A tenant after its file was applied. numbers: that it has now."""

    tenant_id: str
    applied: Applied
    numbers: tuple[str, ...]
    made: bool


def tenant_id_of(path: Path) -> str:
    """From the name of the file's folder (``northside-dental/business.yaml``), or of the file. Raises InputError."""
    resolved = path.resolve()
    name = resolved.parent.name if resolved.stem == "business" else resolved.stem
    found = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    if not found:
        raise InputError(f"{path.name}: no tenant's id follows from its name: give one with --tenant", stage="tenants")
    return found


async def open_tenant(
    installation: Installation,
    path: Path,
    now: datetime,
    *,
    tenant_id: str = "",
    author: str,
    note: str = "",
    expected: int | None = None,
) -> Opened:
    """Apply a business file of this machine: the tenant is made where there is none, with opening credit and a number.

    Its service, being on the operator's own machine, is attached. Raises BusinessFileError, ConflictError, StoreError.
    """
    store = installation.store
    tenant_id = tenant_id or tenant_id_of(path)
    draft = await asyncio.to_thread(lambda: check_bundle(read_bundle(path)))
    made = await _made(store, tenant_id, draft, now)
    await attach_services(installation, tenant_id, path)
    async with store.tenant(tenant_id) as scope:
        applied = await apply(scope, draft, now, author=author, note=note, expected=expected)
        numbers = [number.e164 for number in await numbers_of(scope)]
    if not numbers:
        numbers = [await give_number(store, tenant_id, draft.business.phone, now)]
    return Opened(tenant_id, applied, tuple(numbers), made)


async def attach_services(installation: Installation, tenant_id: str, path: Path) -> str:
    """Attach the service that stands beside a business file of this machine, where it names one; the telephone number
    that the file gives."""
    draft, folder = await asyncio.to_thread(lambda: (check_bundle(read_bundle(path)), path.resolve().parent))
    service = str(folder / draft.business.service) if draft.business.service else ""
    async with installation.store.platform() as scope:
        if (await get(scope, tenant_id)).service_file != service:
            await attach_service(scope, tenant_id, service)
    return draft.business.phone


async def _made(store: Store, tenant_id: str, draft: Draft, now: datetime) -> bool:
    async with store.platform() as scope:
        try:
            await get(scope, tenant_id)
        except NotFoundError:
            await create(scope, tenant_id, draft.business.name, now, zone=draft.business.timezone)
            await open_account(scope, tenant_id, now)
            return True
    return False


async def give_number(store: Store, tenant_id: str, wanted: str, now: datetime) -> str:
    """The business's own number, where it can be dialled and nobody has it; else the first free one for trials."""
    candidates = [TRIAL.format(number) for number in range(1, 1_000)]
    try:
        candidates.insert(0, parse_number(wanted))
    except NumberError:
        pass
    for e164 in candidates:
        async with store.platform() as scope:
            try:
                await assign(scope, tenant_id, e164, now)
            except ConflictError:
                continue
            return e164
    raise ConflictError("Every number for trials is taken: give one with aivoice tenant number.", code="number_taken")


async def open_all(
    installation: Installation, paths: Sequence[Path], now: Callable[[], datetime], progress: Callable[[str], None]
) -> list[Opened]:
    """`open_tenant` of each. Raises as it does, at the first that fails."""
    opened: list[Opened] = []
    for path in paths:
        found = await open_tenant(installation, path, now(), author="serve")
        version = found.applied.version.number
        progress(
            f"{found.tenant_id}: version {version}{' (new)' if found.applied.made else ''}, {', '.join(found.numbers)}"
        )
        opened.append(found)
    return opened
