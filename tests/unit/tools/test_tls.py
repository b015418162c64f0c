"""TLS by name while the connection goes to a judged address: for aiohttp and for httpx2."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import httpx2
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aivoice.tools.guard import Allowed, Guard
from aivoice.tools.guarded_http import GuardedTransport, guarded_session


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server that is `name`, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "both.pem").write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


def test_the_certificate_and_sni_are_the_names_not_the_addresses(tmp_path: Path) -> None:
    ours, trusting = certificate(tmp_path, "good.example")
    asked: list[str | None] = []
    ours.sni_callback = lambda _, name, __: asked.append(name)

    async def lookup(_: str) -> list[str]:
        return ["127.0.0.1"]

    async def here(_: web.Request) -> web.Response:
        return web.Response(text="here")

    async def body() -> None:
        app = web.Application()
        app.router.add_get("/", here)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ours).start()
        port = runner.addresses[0][1]
        guard = Guard(allowed=[Allowed.parse(f"127.0.0.1:{port}")], lookup=lookup)
        good, bad = f"https://good.example:{port}/", f"https://bad.example:{port}/"
        transport = GuardedTransport(guard, max_bytes=1_000, tls=trusting)
        async with (
            guarded_session(guard, tls=trusting) as session,
            httpx2.AsyncClient(transport=transport, trust_env=False) as client,
        ):
            async with session.get(good) as response:
                assert await response.text() == "here"
            assert (await client.get(good)).text == "here"
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(bad)
            with pytest.raises(httpx2.ConnectError):
                await client.get(bad)
        await runner.cleanup()

    asyncio.run(body())
    assert asked == ["good.example", "good.example", "bad.example", "bad.example"]
