"""Where tools, webhooks and MCP servers may be: the guard against requests to the operator's own network (SSRF).

A URL is judged twice. `Guard.check` judges what is written (scheme, host, port) before anything is sent. `Guard.admit`
judges the address of every single connection just before it is made, whatever name led there and however often that
name changes its address; the connection then goes to exactly that address, with the name kept for Host and TLS.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from urllib.parse import SplitResult, urlsplit

from aivoice.tools.addresses import Address, Network, is_public, parse, plain
from aivoice.tools.errors import AddressError

MAX_URL = 2_000
MAX_ADDRESSES = 8
"""Addresses of one name that are looked at; all of them must be allowed."""
RESOLVE_LIMIT_S = 3.0

Lookup = Callable[[str], Awaitable[list[str]]]
"""name → its addresses as text. Raises OSError when it has none."""

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)")


@dataclass(frozen=True, slots=True)
class Allowed:
    """One exception of the installation. port: 0 stands for every port."""

    network: Network
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """``127.0.0.1:8123``, ``10.1.0.0/16``, ``[::1]:9000``. Raises AddressError with the text's form."""
        match = re.fullmatch(r"\[([0-9a-fA-F:./]+)\](?::(\d{1,5}))?|([0-9.]+(?:/\d+)?)(?::(\d{1,5}))?", text.strip())
        try:
            if match is None:
                raise ValueError
            port = int(match[2] or match[4] or 0)
            if port > 65_535:
                raise ValueError
            return cls(ip_network(match[1] or match[3]), port)
        except ValueError:
            raise AddressError(
                "allowed addresses: write them like 127.0.0.1:8123, 10.1.0.0/16 or [::1]:9000", code="address_invalid"
            ) from None


@dataclass(frozen=True, slots=True)
class Place:
    """A URL that passed. host: lower case, ASCII, without brackets. port: always a number."""

    url: str
    scheme: str
    host: str
    port: int


async def system_lookup(name: str) -> list[str]:
    """The machine's resolver, in a thread."""
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Guard:
    """The rules of one installation, or of one purpose in it. Immutable; used by any number of tasks.

    allowed: networks that may be reached although they are not public (a business's local service, a server in the
    operator's own network); there plain http is fine too. ports: what a public address may be reached on.
    plain_http: public addresses may be reached without TLS.
    """

    def __init__(
        self,
        *,
        allowed: Iterable[Allowed] = (),
        ports: Iterable[int] = (80, 443, 8080, 8443),
        plain_http: bool = False,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._allowed = tuple(allowed)
        self._ports = frozenset(ports)
        self._plain_http = plain_http
        self._lookup = lookup

    def check(self, url: str) -> Place:
        """Judge a URL as it is written. Raises AddressError; nothing is resolved or connected."""
        parts, port = _split(url)
        host = _host(parts)
        address = parse(host)
        port = port or (443 if parts.scheme == "https" else 80)
        if address is not None:
            self._judge(address, port, parts.scheme)
        elif parts.scheme == "http" and not self._plain_http and host != "localhost":
            raise AddressError("http:// is not allowed on the internet: use https://")
        return Place(url, parts.scheme, host, port)

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses of a name, asked for once; every one of them is allowed, or none is given.

        Raises AddressError where one is not allowed, OSError or TimeoutError where there are none.
        """
        literal = parse(host)
        if literal is not None:
            self._judge(literal, port)
            return [literal]
        async with asyncio.timeout(RESOLVE_LIMIT_S):
            found = await self._lookup(host)
        addresses = [parse(text) for text in found[:MAX_ADDRESSES]]
        if not addresses:
            raise OSError("the name has no address")
        for address in addresses:
            if address is None:
                raise AddressError("the name resolves to something that is no address")
            self._judge(address, port)
        return [address for address in addresses if address is not None]

    def admit(self, host: str, port: int) -> None:
        """The last look before a connection: `host` is the address itself. Raises AddressError."""
        address = parse(host)
        if address is None:
            raise AddressError("a connection needs an address")
        self._judge(address, port)

    def _judge(self, address: Address, port: int, scheme: str = "") -> None:
        real = plain(address)
        if any(real in each.network and each.port in (0, port) for each in self._allowed):
            return
        if not is_public(address):
            raise AddressError("the address is not on the public internet: tools are reached over the internet only")
        if port not in self._ports:
            ports = ", ".join(str(each) for each in sorted(self._ports))
            raise AddressError(f"port {port} is not allowed: use one of {ports}")
        if scheme == "http" and not self._plain_http:
            raise AddressError("http:// is not allowed on the internet: use https://")


def _split(url: str) -> tuple[SplitResult, int]:
    if len(url) > MAX_URL or any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise AddressError(f"a URL has at most {MAX_URL} characters and no spaces or control characters")
    if "\\" in url:
        raise AddressError("a URL has no backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressError("this is not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise AddressError("a URL begins with https:// (or http:// where the installation allows it)")
    if "@" in parts.netloc:
        raise AddressError("a URL holds no user name or password: give a secret instead")
    if parts.fragment or url.endswith("#"):
        raise AddressError("a URL to call has no #fragment")
    if port == 0:
        raise AddressError("port 0 is no port")
    return parts, port or 0


def _host(parts: SplitResult) -> str:
    """Lower-case ASCII. Refuses everything that some library would read as an IP address and another as a name."""
    written = parts.hostname or ""
    if "%" in written:
        raise AddressError("the host has a % in it")
    if parts.netloc.startswith("["):
        if parse(written) is None:
            raise AddressError("the host is no IPv6 address")
        return written
    if parse(written) is not None:
        return written
    labels = written.removesuffix(".").split(".")
    if len(written) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressError("the host is no name: letters, digits and hyphens (others in their xn-- form)")
    if _NUMERIC.fullmatch(labels[-1]):
        raise AddressError("the host looks like an IP address in an unusual form: write it as four decimal numbers")
    return written
