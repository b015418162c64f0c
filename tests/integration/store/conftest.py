"""A database for each test: a copy of a migrated template, on the embedded server or on the one of DATABASE_URL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from dataclasses import dataclass
from itertools import count

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from tests.integration.store.running import derive

from aivoice.store import Urls, urls_for
from aivoice.store.embedded import start
from aivoice.store.migrate import migrate

_numbers = count(1)


@dataclass(frozen=True)
class Postgres:
    """server: its owner's address. template: name of a migrated, empty database."""

    server: str
    template: str

    def owner(self, database: str) -> str:
        return make_conninfo(self.server, dbname=database)

    def new_database(self, template: str | None = None) -> str:
        """Its name."""
        name = f"t{os.getpid()}_{next(_numbers)}"
        source = sql.Identifier(template or self.template)
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), source))
        return name

    def drop(self, database: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The owner's address of a server that may be filled and emptied."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    folder = tmp_path_factory.mktemp("postgres") / "data"
    with start(folder) as running:
        with psycopg.connect(running.get_uri(), autocommit=True) as connection:
            # Nothing here outlives the tests: a crash of the machine may lose it.
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield running.get_uri()


@pytest.fixture(scope="session")
def postgres(server: str) -> Generator[Postgres]:
    blank = Postgres(server, "template0")
    name = blank.new_database()
    asyncio.run(migrate(blank.owner(name), derive))
    yield Postgres(server, name)
    if os.environ.get("DATABASE_URL"):  # the embedded server goes with everything in it
        blank.drop(name)


@pytest.fixture
def database(postgres: Postgres) -> Generator[str]:
    """Name of a fresh database."""
    name = postgres.new_database()
    yield name
    postgres.drop(name)


@pytest.fixture
def urls(postgres: Postgres, database: str) -> Urls:
    return urls_for(postgres.owner(database), derive)


@pytest.fixture
def owner(urls: Urls) -> Generator[psycopg.Connection[dict[str, object]]]:
    """The owner's own connection, which sees everything (the embedded server's owner is a superuser)."""
    with psycopg.connect(urls.owner, autocommit=True, row_factory=dict_row) as connection:
        yield connection
