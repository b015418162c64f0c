"""Brings a database to the revision of this release, forward only, and says which one it has."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import scalar_row
from sqlalchemy.exc import ProgrammingError

from aivoice.store.errors import StoreError, translated
from aivoice.store.roles import ROLES, Derive, role_password

SCHEMA = "aivoice_migrations"
"""Where alembic keeps the revision: outside of what the product's roles may see."""
LOCK = 0x61_69_76_6F_69_63_65
"""Advisory lock: of several processes that start at once, one migrates and the others wait for it."""


async def migrate(owner: str, derive: Derive) -> str:
    """Run what is missing, each migration in a transaction; the revision then. owner: address that may make roles.

    Raises StoreError: unreachable, without the rights it needs, or migrated by a newer release.
    """
    return await asyncio.to_thread(_migrate, owner, {role: role_password(role, derive) for role in ROLES})


async def check(owner: str) -> tuple[str | None, str]:
    """The database's revision (None: empty), and this release's."""
    return await asyncio.to_thread(_check, owner)


def _migrate(owner: str, passwords: Mapping[str, str]) -> str:
    script = ScriptDirectory.from_config(_config())
    with _connected(owner) as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK})")
        try:
            _roles(connection, passwords)
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            connection.commit()
            revision = _revision(connection)
            if revision is not None and revision not in {known.revision for known in script.walk_revisions()}:
                raise StoreError(
                    f"The database is at revision {revision}, which this release does not know: use a newer one.",
                    code="store_newer",
                    retryable=False,
                )
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        except (ProgrammingError, InsufficientPrivilege) as error:
            if isinstance(error, ProgrammingError) and not isinstance(error.orig, InsufficientPrivilege):
                raise
            raise StoreError(
                "The user of DATABASE_URL may not make roles or tables: give the database's owner, with CREATEROLE.",
                code="store_rights",
                retryable=False,
            ) from None
        finally:
            connection.rollback()
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK})")
            connection.commit()
    return script.get_current_head() or ""


def _check(owner: str) -> tuple[str | None, str]:
    head = ScriptDirectory.from_config(_config()).get_current_head() or ""
    with _connected(owner) as connection:
        return _revision(connection), head


def _roles(connection: sqlalchemy.Connection, passwords: Mapping[str, str]) -> None:
    """The two roles exist, can sign in, and may nothing more than tables grant them."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    for role, password in passwords.items():
        cursor = driver.cursor(row_factory=scalar_row)
        there = cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        statement = sql.SQL("{} ROLE {} LOGIN NOINHERIT NOCREATEDB NOCREATEROLE PASSWORD {}").format(
            sql.SQL("ALTER" if there else "CREATE"), sql.Identifier(role), sql.Literal(password)
        )
        driver.execute(statement)


def _revision(connection: sqlalchemy.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
    revision = context.get_current_revision()
    connection.rollback()
    return revision


@contextmanager
def _connected(owner: str) -> Generator[sqlalchemy.Connection]:
    """A connection by psycopg itself: SQLAlchemy would read the address by rules of its own."""
    with translated(), psycopg.connect(owner, connect_timeout=5) as raw:
        engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: raw, poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            yield connection


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(str(files("aivoice.store") / "migrations"))))
    return config
