"""Which business answers a call that rings: a port, and the businesses that one process has loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aivoice.errors import InputError


@dataclass(frozen=True, slots=True)
class BusinessInfo:
    """What a page may know of a loaded business. clips: text of its ready-made clips by key. lines: calls of it at a
    time (0: as many as the server has). folder: of its calls' folders, within the server's."""

    id: str
    name: str
    greeting: str = ""
    clips: Mapping[str, str] | None = None
    lines: int = 0
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Ringing:
    """What is known of a call that rings. number: the one that was dialled. business: the one that a page chose. Both
    empty: whichever comes first. caller: their number ("": withheld, or from a page)."""

    call_id: str
    number: str = ""
    business: str = ""
    caller: str = ""


class Directory(Protocol):
    """Says who answers."""

    def all(self) -> Sequence[BusinessInfo]:
        """Those that a page may choose from."""
        ...

    async def admit(self, ringing: Ringing) -> BusinessInfo:
        """The business that takes this call; what the call needs is held for it from now on.

        Raises VoiceError for a call that nobody takes, and holds nothing then."""
        ...

    async def dismiss(self, ringing: Ringing) -> None:
        """An admitted call was not begun: let go of what is held for it."""
        ...


class LoadedBusinesses:
    """`Directory` of the businesses of one process: nobody is asked, nothing is held."""

    def __init__(self, businesses: Sequence[BusinessInfo]) -> None:
        if not businesses:
            raise InputError("No business is loaded: name at least one business file.", stage="business")
        self._businesses = {business.id: business for business in businesses}

    def all(self) -> Sequence[BusinessInfo]:
        return tuple(self._businesses.values())

    async def admit(self, ringing: Ringing) -> BusinessInfo:
        if ringing.number:
            raise InputError("This server answers by business, not by number.", code="number_unknown", stage="api")
        if not ringing.business:
            return next(iter(self._businesses.values()))
        found = self._businesses.get(ringing.business)
        if found is None:
            known = ", ".join(self._businesses)
            raise InputError(f"No such business is loaded; loaded: {known}.", code="business_unknown", stage="api")
        return found

    async def dismiss(self, ringing: Ringing) -> None:
        pass
