"""PostgreSQL: scopes of a tenant and of the platform, migrations, the embedded server. See docs/adr/0080."""

from aivoice.store.errors import ConflictError, NotFoundError, StoreError
from aivoice.store.pool import Store
from aivoice.store.roles import Urls, urls_for
from aivoice.store.scope import PlatformScope, Scope

__all__ = ["ConflictError", "NotFoundError", "PlatformScope", "Scope", "Store", "StoreError", "Urls", "urls_for"]
