"""The SSRF guard: addresses, URLs, and real sockets behind names that lie."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address

import aiohttp
import httpx2
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from aivoice.tools.addresses import is_public, parse
from aivoice.tools.errors import AddressError
from aivoice.tools.guard import Allowed, Guard
from aivoice.tools.guarded_http import GuardedTransport, guarded_session, refused

PRIVATE = [
    "127.0.0.1", "127.255.0.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.1.1",
    "100.100.100.200", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1", "192.0.2.1",
    "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.0.0.1", "192.88.99.1", "::", "::1", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "4000::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "::127.0.0.1",
    "::8.8.8.8", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8", "2002:7f00:1::1",
    "2002:808:808::1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_that_are_refused(text: str) -> None:
    address = parse(text)
    assert address is not None
    assert not is_public(address)
    host = f"[{text}]" if ":" in text else text
    with pytest.raises(AddressError):
        Guard().check(f"https://{host}/")


@pytest.mark.parametrize("text", PUBLIC)
def test_addresses_that_are_public(text: str) -> None:
    address = parse(text)
    assert address is not None
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_ipv6_is_never_more_public_than_it_is_alone(inside: IPv4Address) -> None:
    value = int(inside)
    wraps = [value, 0xFFFF << 32 | value, 0xFFFF << 48 | value, 0x64FF9B << 96 | value, 0x2002 << 112 | value << 80]
    for wrapped in (IPv6Address(each) for each in wraps):
        assert is_public(inside) or not is_public(wrapped)


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "//example.com", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
        "https://", "https:///x", "https://user@example.com/", "https://user:pass@example.com/", "https://@example.com/",
        "https://example.com#x", "https://example.com/#", "https://example.com:0/", "https://example.com:22/",
        "https://example.com:99999/", "https://example.com:x/", "https://2130706433/", "https://0x7f000001/",
        "https://0177.0.0.1/", "https://127.1/", "https://127.0.0.1./", "https://0x7f.0.0.1/", "https://1.2.3.4.5/",
        "https://127.0.0.0x1/", "https://[::1/", "https://[v1.x]/", "https://exa mple.com/", "https://example.com\\@x/",
        "https://example.com/\n", "https://example.com/\x00", "https://①②⑦.0.0.1/", "https://exämple.com/",
        "https://ex%61mple.com/", "https://-x.com/", "https://a..b/", "https://" + "a" * 64 + ".com/",
        "https://example.com/" + "a" * 2_000, "http://8.8.8.8/", "http://example.com/",
    ],
)  # fmt: skip
def test_urls_that_are_refused(url: str) -> None:
    if url == "https://example.com:22/":
        Guard().check(url)  # a name's port is judged with its addresses
        return
    with pytest.raises(AddressError) as caught:
        Guard().check(url)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_place_or_a_refusal(text: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}/x"):
        try:
            place = Guard().check(url)
        except AddressError:
            continue
        assert place.host.isascii() and 0 < place.port < 65_536
        assert parse(place.host) is None or is_public(parse(place.host))  # type: ignore[arg-type]


def test_the_allow_list_is_by_address_and_port() -> None:
    guard = Guard(allowed=[Allowed.parse("127.0.0.1:9000"), Allowed.parse("10.1.0.0/16"), Allowed.parse("[::1]:9000")])
    for url in (
        "http://127.0.0.1:9000/",
        "http://10.1.2.3:77/",
        "http://[::1]:9000/",
        "http://[::ffff:127.0.0.1]:9000/",
    ):
        guard.check(url)
    for url in ("http://127.0.0.1:9001/", "http://10.2.0.1/", "http://[::1]:9001/", "https://169.254.169.254/"):
        with pytest.raises(AddressError):
            guard.check(url)
    assert Allowed.parse("10.1.0.0/16") == Allowed(IPv4Network("10.1.0.0/16"))
    for text in ("localhost:80", "127.0.0.1:99999", "10.1.0.1/8", "", "*"):
        with pytest.raises(AddressError, match="allowed addresses"):
            Allowed.parse(text)


class Names:
    """A name server: each question is answered by the next of a name's answers; the last one stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers, self.asked = answers, 0

    async def __call__(self, name: str) -> list[str]:
        self.asked += 1
        left = self.answers.get(name.split(".")[0])
        if not left:
            raise OSError("no such name")
        return left.pop(0) if len(left) > 1 else left[0]


@asynccontextmanager
async def server(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncGenerator[int]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def get(guard: Guard, url: str) -> tuple[int, str]:
    guard.check(url)
    async with guarded_session(guard) as session, session.get(url, allow_redirects=False) as response:
        return response.status, await response.text()


def test_the_connection_goes_to_the_address_that_was_judged_and_keeps_the_name() -> None:
    async def body() -> None:
        hosts: list[str] = []

        async def handler(request: web.Request) -> web.Response:
            hosts.append(request.host)
            return web.Response(text="here")

        async with server(handler) as port:
            # Asked a second time the name would lead elsewhere: it is asked once.
            names = Names(good=[["127.0.0.1"], ["127.9.9.9"]])
            guard = Guard(allowed=[Allowed.parse(f"127.0.0.1:{port}")], ports=[443], plain_http=True, lookup=names)
            assert await get(guard, f"http://good.example:{port}/") == (200, "here")
            assert names.asked == 1
            assert hosts == [f"good.example:{port}"]

    asyncio.run(body())


@pytest.mark.parametrize(
    "answers", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["nonsense"], ["0.0.0.0"]]
)
def test_names_that_lead_inside_are_never_connected(answers: list[str]) -> None:
    async def body() -> None:
        reached: list[str] = []

        async def handler(request: web.Request) -> web.Response:
            reached.append(request.host)
            return web.Response()

        async with server(handler) as port:
            guard = Guard(plain_http=True, ports=[port], lookup=Names(bad=[answers]))
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await get(guard, f"http://bad.example:{port}/")
            assert isinstance(refused(caught.value), AddressError)
            assert not any(text in str(refused(caught.value)) for text in answers)
            async with httpx2.AsyncClient(
                transport=GuardedTransport(guard, max_bytes=1_000), trust_env=False
            ) as client:
                with pytest.raises(AddressError):
                    await client.get(f"http://bad.example:{port}/")
        assert reached == []

    asyncio.run(body())


def test_a_name_that_changes_to_an_inner_address_is_refused_at_the_next_connection() -> None:
    async def body() -> None:
        async def handler(_: web.Request) -> web.Response:
            return web.Response(text="here")

        async with server(handler) as port:
            names = Names(turns=[["127.0.0.1"], ["127.0.0.2"]])
            guard = Guard(allowed=[Allowed.parse(f"127.0.0.1:{port}")], plain_http=True, lookup=names)
            assert (await get(guard, f"http://turns.example:{port}/"))[0] == 200
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await get(guard, f"http://turns.example:{port}/")
            assert refused(caught.value) is not None

    asyncio.run(body())


def test_literal_addresses_are_judged_at_the_socket_too() -> None:
    """aiohttp asks no resolver for them: the socket's factory is the last door."""

    async def body() -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            held.listen()
            held.setblocking(False)
            async with guarded_session(Guard(plain_http=True)) as session:
                with pytest.raises(aiohttp.ClientConnectorError) as caught:
                    await session.get(f"http://127.0.0.1:{held.getsockname()[1]}/")
            assert refused(caught.value) is not None
            with pytest.raises(BlockingIOError):
                held.accept()

    asyncio.run(body())


def test_the_port_of_a_name_is_judged_with_its_address() -> None:
    guard = Guard(lookup=Names(host=[["8.8.8.8"]]))
    with pytest.raises(AddressError, match="port 22"):
        asyncio.run(guard.resolve("host.example", 22))
    assert [str(each) for each in asyncio.run(guard.resolve("host.example", 443))] == ["8.8.8.8"]


def test_mcp_responses_are_bounded_and_redirects_refused() -> None:
    async def body() -> None:
        async def handler(request: web.Request) -> web.Response:
            if request.path == "/away":
                raise web.HTTPTemporaryRedirect("http://169.254.169.254/")
            return web.Response(body=b"x" * 5_000)

        async with server(handler) as port:
            guard = Guard(allowed=[Allowed.parse(f"127.0.0.1:{port}")])
            async with httpx2.AsyncClient(
                transport=GuardedTransport(guard, max_bytes=1_000), trust_env=False
            ) as client:
                for path, why in (("big", "too large"), ("away", "redirect")):
                    with pytest.raises(httpx2.RemoteProtocolError, match=why):
                        await client.get(f"http://127.0.0.1:{port}/{path}", follow_redirects=True)

    asyncio.run(body())
