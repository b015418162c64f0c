"""Who may do what: one table for roles of people, one for scopes of keys, and the question asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from aivoice.errors import InputError
from aivoice.security.errors import ForbiddenError
from aivoice.store.errors import NotFoundError

Permission = Literal[
    "tenant.read", "tenant.write",        # the business: its file, hours, numbers, consent, retention
    "knowledge.read", "knowledge.write",
    "tools.read", "tools.write",          # webhooks and their secrets too
    "calls.read", "calls.erase",          # records, transcripts, recordings, callers
    "calls.place",                        # begin or take part in a call
    "messages.read", "messages.write",
    "usage.read", "billing.write",        # usage and statements; top up
    "keys.manage", "users.manage", "audit.read", "data.export",
    "platform.read", "platform.write",    # tenants, numbers, plans, credit, suspension: the operator's alone
]  # fmt: skip
Role = Literal["operator", "owner", "member", "read-only"]
KeyScope = Literal["read", "write", "calls", "admin", "operator"]

_READ: Final[frozenset[Permission]] = frozenset(
    ("tenant.read", "knowledge.read", "tools.read", "calls.read", "messages.read", "usage.read")
)
_WRITE: Final[frozenset[Permission]] = frozenset(("tenant.write", "knowledge.write", "tools.write", "messages.write"))
_OWN: Final[frozenset[Permission]] = frozenset(
    ("calls.erase", "billing.write", "keys.manage", "users.manage", "audit.read", "data.export")
)
_CALLS: Final[frozenset[Permission]] = frozenset(("calls.read", "calls.place"))
_ALL: Final[frozenset[Permission]] = frozenset(get_args(Permission))

ROLES: Final[Mapping[Role, frozenset[Permission]]] = {
    "operator": _ALL,
    "owner": _READ | _WRITE | _CALLS | _OWN,
    "member": _READ | _WRITE | _CALLS,
    "read-only": _READ,
}
SCOPES: Final[Mapping[KeyScope, frozenset[Permission]]] = {
    "read": _READ,
    "write": _READ | _WRITE,
    "calls": _CALLS,
    "admin": _READ | _WRITE | _CALLS | _OWN,
    "operator": _ALL,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever asks. kind and id: for the audit log. tenant_id: the one tenant it belongs to; None: the operator's."""

    kind: Literal["key", "user", "system"]
    id: str
    tenant_id: str | None
    permissions: frozenset[Permission] = field(repr=False)

    def allows(self, permission: Permission) -> bool:
        return permission in self.permissions


def of_scopes(scopes: Iterable[str]) -> frozenset[Permission]:
    """What the scopes give together; unknown ones (of a newer release) give nothing."""
    found: frozenset[Permission] = frozenset()
    for scope, permissions in SCOPES.items():
        if scope in scopes:
            found |= permissions
    return found


def require(principal: Principal, permission: Permission, tenant_id: str | None = None) -> None:
    """Ask before anything is done. tenant_id: whose things it is about; None: the platform's own.

    Raises NotFoundError for another tenant's (it is answered like one that does not exist) and ForbiddenError for
    what the principal may not do to its own.
    """
    if tenant_id is not None and principal.tenant_id not in (None, tenant_id):
        raise NotFoundError("There is no such tenant.", code="tenant_unknown")
    if tenant_id is None and principal.tenant_id is not None:
        raise ForbiddenError("This is the operator's.")
    if not principal.allows(permission):
        raise ForbiddenError(f"This needs the permission {permission}.")


def check_grant(principal: Principal, permissions: frozenset[Permission]) -> None:
    """Nobody gives (by a key or a role) more than they have. Raises ForbiddenError."""
    if not permissions <= principal.permissions:
        raise ForbiddenError("Nobody can give more than they may do themselves.")


def check_scopes(given: Iterable[str], tenant_id: str | None) -> tuple[KeyScope, ...]:
    """The scopes of a key to be made, each once, in the table's order. Raises InputError."""
    wanted = set(given)
    known: list[KeyScope] = [scope for scope in SCOPES if (scope == "operator") <= (tenant_id is None)]
    if not wanted or not wanted <= set(known):
        raise InputError(f"Scopes are some of: {', '.join(known)}.", code="scopes_invalid", stage="security")
    return tuple(scope for scope in known if scope in wanted)
