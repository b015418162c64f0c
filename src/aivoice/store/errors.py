"""What goes wrong in the store, told without a word of what was stored."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from aivoice.errors import InputError, VoiceError


class StoreError(VoiceError):
    """The database cannot be asked just now; nothing of the transaction was kept, unless the connection was lost while
    it committed (then it is not known: writes that matter carry a key of their own)."""

    code, stage, status = "store_unavailable", "store", 503
    retryable = True


class ConflictError(VoiceError):
    """Somebody else's write came first, or what is to be made is there already."""

    code, stage, status = "conflict", "store", 409


class NotFoundError(VoiceError):
    """There is no such thing of this tenant; another tenant's is told the same way."""

    code, stage, status = "not_found", "store", 404


_UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    pg.IdleInTransactionSessionTimeout,  # an InternalError to psycopg, yet the connection is gone
    PoolTimeout,
    PoolClosed,
    TooManyRequests,
)


@contextmanager
def translated() -> Generator[None]:
    """Database errors inside become VoiceErrors. Their own texts quote rows, so nothing of them goes on, not as cause.

    Mistakes in SQL (`psycopg.ProgrammingError` and what is none of these) pass as they are: they are bugs.
    """
    try:
        yield
    except (pg.UniqueViolation, pg.ExclusionViolation) as error:
        raise ConflictError(f"It is there already ({_constraint(error)}).", code="exists") from None
    except pg.ForeignKeyViolation as error:
        raise ConflictError(f"Something it belongs to is missing, or still needs it ({_constraint(error)}).") from None
    except pg.IntegrityError as error:
        raise InputError(f"The database refuses the value ({_constraint(error)}).", stage="store") from None
    except psycopg.DataError:
        raise InputError("A value has characters or a size that cannot be stored.", stage="store") from None
    except (pg.SerializationFailure, pg.DeadlockDetected):
        raise StoreError("Two writes met in the database; try again.", code="store_busy") from None
    except (pg.QueryCanceled, pg.LockNotAvailable):
        raise StoreError("The database took too long; try again.", code="store_busy") from None
    except _UNAVAILABLE as error:
        raise StoreError(f"The database cannot be reached ({type(error).__name__}); try again in a moment.") from None


def _constraint(error: psycopg.Error) -> str:
    return error.diag.constraint_name or error.diag.column_name or "a rule of the table"
