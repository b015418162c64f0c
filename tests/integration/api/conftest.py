"""The databases of tests/integration/store, for tests of the control plane."""

from tests.integration.store.conftest import database, owner, postgres, server, urls

__all__ = ["database", "owner", "postgres", "server", "urls"]
