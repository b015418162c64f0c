"""The two roles that the product connects as, and how each finds the server."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from aivoice.errors import InputError

APP, PLATFORM = "aivoice_app", "aivoice_platform"
ROLES = (APP, PLATFORM)

Derive = Callable[[str], bytes]
"""A key of the installation for a purpose (`security.keyring`): the same one after a restart and after a rotation."""


@dataclass(frozen=True, slots=True)
class Urls:
    """How to connect: owner (migrations alone), app (tenants' transactions), platform (the operator's).

    Conninfo strings or URLs as libpq takes them. They may hold passwords: never shown.
    """

    owner: str
    app: str
    platform: str

    def __repr__(self) -> str:
        return "Urls(…)"


def urls_for(owner: str, derive: Derive) -> Urls:
    """From the owner's address alone. Raises InputError where it cannot be read as one."""
    try:
        known = conninfo_to_dict(owner)
    except Exception:  # noqa: BLE001 - its text may hold the password
        raise InputError(
            "DATABASE_URL cannot be read: give postgresql://user:password@host:5432/database", stage="store"
        ) from None
    on_socket = str(known.get("host") or "").startswith("/") and not known.get("password")
    app, platform = (
        make_conninfo(owner, user=role, password=None if on_socket else role_password(role, derive)) for role in ROLES
    )
    return Urls(owner, app, platform)


def role_password(role: str, derive: Derive) -> str:
    """What a role signs in with on a server that asks for passwords."""
    return base64.urlsafe_b64encode(derive(f"database role {role}")).decode().rstrip("=")
