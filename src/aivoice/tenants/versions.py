"""The versions of a tenant's business: numbered from 1, never changed, one of them in force (the newest).

Going back to an earlier one makes a new version equal to it, so that the history only grows and says what happened.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from aivoice.business.model import Business, Document
from aivoice.store import ConflictError, NotFoundError, Scope
from aivoice.tenants.bundle import FORMAT, Bundle, Draft, check_bundle, pack, text_digest, unpack
from aivoice.tenants.numbers import CHANNEL
from aivoice.tenants.plan import Plan, plan


@dataclass(frozen=True, slots=True)
class Version:
    """author: who put it in force, note: why, in their words. restores: the number of the version it equals, or None.

    digest: of its content (`bundle.Draft`)."""

    number: int
    digest: str
    file_name: str
    author: str
    note: str
    restores: int | None
    created_at: datetime

    @property
    def etag(self) -> str:
        """An entity tag for HTTP, quotes included. `If-Match` gives it back as `expected_etag`."""
        return f'"{self.number}-{self.digest[:16]}"'


_HEAD = "number, digest, file_name, author, note, restores, created_at"


async def current_number(scope: Scope) -> int:
    """The version in force; 0: none yet. Raises NotFoundError where the tenant is not there."""
    number = await scope.value("SELECT version FROM tenants WHERE id = %(tenant_id)s")
    if number is None:
        raise NotFoundError("There is no such tenant.", code="tenant_unknown")
    return int(number)


async def get_version(scope: Scope, number: int) -> Version:
    """Raises NotFoundError."""
    row = await scope.one(
        f"SELECT {_HEAD} FROM business_versions WHERE tenant_id = %(tenant_id)s AND number = %(number)s",
        {"number": number},
    )
    if row is None:
        raise _unknown()
    return Version(**row)


async def list_versions(scope: Scope, limit: int = 50, before: int | None = None) -> list[Version]:
    """Newest first. before: only those with a smaller number (the next page)."""
    rows = await scope.all(
        f"SELECT {_HEAD} FROM business_versions WHERE tenant_id = %(tenant_id)s AND number < %(before)s "
        "ORDER BY number DESC LIMIT %(limit)s",
        {"limit": limit, "before": before if before is not None else 2_000_000_000},
    )
    return [Version(**row) for row in rows]


async def source_of(scope: Scope, number: int) -> Bundle:
    """The file and documents of a version as they were handed in. Raises NotFoundError."""
    row = await scope.one(
        "SELECT source, file_name FROM business_versions WHERE tenant_id = %(tenant_id)s AND number = %(number)s",
        {"number": number},
    )
    if row is None:
        raise _unknown()
    documents = await documents_of(scope, number)
    return Bundle(row["source"], {document.source: document.text for document in documents}, row["file_name"])


async def documents_of(scope: Scope, number: int) -> tuple[Document, ...]:
    """The documents of a version, in its order, with their text (at most 20 MiB in all)."""
    rows = await scope.all(
        "SELECT v.source, v.title, d.content AS text FROM business_version_documents v "
        "JOIN business_documents d ON d.tenant_id = v.tenant_id AND d.digest = v.digest "
        "WHERE v.tenant_id = %(tenant_id)s AND v.number = %(number)s ORDER BY v.position",
        {"number": number},
    )
    return tuple(Document(**row) for row in rows)


async def business_of(scope: Scope, number: int, *, documents: bool = True) -> Business:
    """A version ready for use. documents: with their text. Raises NotFoundError.

    Takes about a millisecond without documents; a version packed by an older release is compiled anew, in a thread.
    """
    row = await scope.one(
        "SELECT compiled, format FROM business_versions WHERE tenant_id = %(tenant_id)s AND number = %(number)s",
        {"number": number},
    )
    if row is None:
        raise _unknown()
    if row["format"] != FORMAT:
        draft = await asyncio.to_thread(check_bundle, await source_of(scope, number))
        return draft.business if documents else replace(draft.business, documents=())
    business = unpack(row["compiled"])
    return replace(business, documents=await documents_of(scope, number)) if documents else business


@dataclass(frozen=True, slots=True)
class Applied:
    """version: the one in force now. made: False where the file in force has the same content, and nothing was done."""

    version: Version
    made: bool
    plan: Plan


async def plan_for(scope: Scope, draft: Draft) -> Plan:
    """What `apply` of this draft would change now."""
    number = await current_number(scope)
    return await _planned(scope, number, draft)


async def diff(scope: Scope, old: int, new: int) -> Plan:
    """The changes from version `old` to version `new` (either order; 0: nothing at all). Raises NotFoundError."""
    before = await business_of(scope, old) if old else None
    return plan(before, await business_of(scope, new))


async def apply(
    scope: Scope, draft: Draft, now: datetime, *, author: str, note: str = "", expected: int | str | None = None
) -> Applied:
    """Put a draft (`bundle.check_bundle`) in force as a new version, and tell `CHANNEL` at commit.

    expected: the number or etag that the change was planned against; another version in force raises ConflictError
    (``version_conflict``). None: whatever is in force. Calls that are running keep the version they began with.
    """
    number = await _lock(scope, expected)
    planned = await _planned(scope, number, draft)
    if number:
        current = await get_version(scope, number)
        if current.digest == draft.digest:
            return Applied(current, False, planned)
    version = Version(number + 1, draft.digest, draft.file_name, author[:120], note[:500], None, now)
    await _insert(scope, version, draft.source, pack(draft.business))
    await _insert_documents(scope, version.number, draft.business.documents)
    await _put_in_force(scope, version.number, draft.business.timezone)
    return Applied(version, True, planned)


async def rollback(
    scope: Scope, number: int, now: datetime, *, author: str, note: str = "", expected: int | str | None = None
) -> Applied:
    """Put a new version in force that equals version `number`. Raises NotFoundError, ConflictError as `apply`."""
    current = await _lock(scope, expected)
    wanted = await get_version(scope, number)
    planned = await diff(scope, current, number)
    if (await get_version(scope, current)).digest == wanted.digest:
        return Applied(await get_version(scope, current), False, planned)
    version = replace(wanted, number=current + 1, author=author[:120], note=note[:500], restores=number, created_at=now)
    business = await business_of(scope, number, documents=False)
    source = await scope.value(
        "SELECT source FROM business_versions WHERE tenant_id = %(tenant_id)s AND number = %(number)s",
        {"number": number},
    )
    await _insert(scope, version, source, pack(business))
    await scope.run(
        "INSERT INTO business_version_documents (tenant_id, number, position, source, title, digest) "
        "SELECT tenant_id, %(new)s, position, source, title, digest FROM business_version_documents "
        "WHERE tenant_id = %(tenant_id)s AND number = %(old)s",
        {"new": version.number, "old": number},
    )
    await _put_in_force(scope, version.number, business.timezone)
    return Applied(version, True, planned)


async def _lock(scope: Scope, expected: int | str | None) -> int:
    """The number in force, kept until the transaction ends: two who apply at once come one after the other."""
    row = await scope.one("SELECT version, status FROM tenants WHERE id = %(tenant_id)s FOR UPDATE")
    if row is None:
        raise NotFoundError("There is no such tenant.", code="tenant_unknown")
    if row["status"] == "closed":
        raise ConflictError("This tenant is closed: nothing of it can be changed.", code="tenant_closed")
    number = int(row["version"])
    if isinstance(expected, str):
        matches = number > 0 and (await get_version(scope, number)).etag == expected
    else:
        matches = expected is None or expected == number
    if not matches:
        raise ConflictError(
            f"Version {number} is in force, not the one this change was made for: look at the plan again.",
            code="version_conflict",
        )
    return number


async def _planned(scope: Scope, number: int, draft: Draft) -> Plan:
    current = await business_of(scope, number) if number else None
    planned = plan(current, draft.business)
    if planned.changes or current is None or (await get_version(scope, number)).digest == draft.digest:
        return planned
    return Plan((), ("only the file's own text changes (comments, order): callers notice nothing", *planned.notes))


async def _insert(scope: Scope, version: Version, source: str, compiled: str) -> None:
    values: dict[str, Any] = {field: getattr(version, field) for field in _HEAD.split(", ")}
    await scope.run(
        f"INSERT INTO business_versions (tenant_id, {_HEAD}, source, compiled, format) VALUES (%(tenant_id)s, "
        "%(number)s, %(digest)s, %(file_name)s, %(author)s, %(note)s, %(restores)s, %(created_at)s, "
        "%(source)s, %(compiled)s, %(format)s)",
        {**values, "source": source, "compiled": compiled, "format": FORMAT},
    )


async def _insert_documents(scope: Scope, number: int, documents: tuple[Document, ...]) -> None:
    digests = [text_digest(document.text) for document in documents]
    await scope.many(
        "INSERT INTO business_documents (tenant_id, digest, content) VALUES (%(tenant_id)s, %(digest)s, %(text)s) "
        "ON CONFLICT DO NOTHING",
        [{"digest": digest, "text": document.text} for digest, document in zip(digests, documents, strict=True)],
    )
    await scope.many(
        "INSERT INTO business_version_documents (tenant_id, number, position, source, title, digest) "
        "VALUES (%(tenant_id)s, %(number)s, %(position)s, %(source)s, %(title)s, %(digest)s)",
        [
            {"number": number, "position": index, "source": item.source, "title": item.title, "digest": digests[index]}
            for index, item in enumerate(documents)
        ],
    )


async def _put_in_force(scope: Scope, number: int, zone: str) -> None:
    """Days of a tenant (limits, statements) are those of its business file's zone."""
    await scope.run(
        "UPDATE tenants SET version = %(number)s, zone = %(zone)s WHERE id = %(tenant_id)s",
        {"number": number, "zone": zone},
    )
    await scope.notify(CHANNEL, f"{scope.tenant_id} {number}")


def _unknown() -> NotFoundError:
    return NotFoundError("There is no version of this number.", code="version_unknown")


def at_path(business: Business, service_file: str) -> Business:
    """`business` with the program that the operator attached, or without one."""
    return replace(business, service=Path(service_file) if service_file and business.service else None)
