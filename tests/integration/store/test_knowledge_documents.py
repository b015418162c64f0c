"""Documents in the database: versions, snapshots, isolation, and the index that calls search."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.integration.store.running import NOW, new_tenant, store_test

from aivoice.business.model import Document
from aivoice.errors import ProviderError
from aivoice.knowledge import documents, ingest
from aivoice.knowledge.errors import DocumentError
from aivoice.knowledge.retriever import Shelf
from aivoice.knowledge.search import Knowledge
from aivoice.store import NotFoundError, Store

ONE = b"# House\n\n## Parking\n\nPark behind the house.\n\n## Garden\n\nRoses grow there.\n"
TWO = ONE.replace(b"Roses", b"Tulips").replace(b"# House\n", b"# House\n\n## Bus\n\nBus 14 stops here.\n")


class Vectors:
    """Vectors by the text's hash; counts what it was asked for."""

    dimensions = 384

    def __init__(self, name: str = "fake", fail: bool = False) -> None:
        self.name, self.texts, self.fail = name, 0, fail

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if self.fail:
            raise ProviderError("down")
        self.texts += len(texts)
        return [
            [1.0 if at == hashlib.sha256(text.encode()).digest()[0] else 0.0 for at in range(384)] for text in texts
        ]


async def rows(store: Store, tenant: str) -> dict[str, str]:
    async with store.tenant(tenant) as scope:
        found = await scope.all(
            "SELECT passage_id, body FROM passages WHERE tenant_id = %(tenant_id)s AND until IS NULL"
        )
    return {row["body"]: row["passage_id"] for row in found}


@store_test
async def test_ingesting_again_writes_only_what_changed_and_a_call_keeps_its_snapshot(store: Store) -> None:
    await new_tenant(store, "alpha")
    embedder = Vectors()
    first = await ingest.ingest(store, embedder, "alpha", "house.md", ONE, now=NOW)
    assert (first.version, first.added, first.removed, embedder.texts) == (1, 2, 0, 2)
    before, shelf = await rows(store, "alpha"), Shelf(store, embedder)
    call = await shelf.open("alpha")

    same = await ingest.ingest(store, embedder, "alpha", "house.md", ONE, now=NOW)
    assert (same.version, same.document_ids, same.added, same.kept) == (1, first.document_ids, 0, 2)
    second = await ingest.ingest(store, embedder, "alpha", "house.md", TWO, now=NOW)
    assert (second.version, second.added, second.kept, second.removed) == (2, 2, 1, 1)
    assert embedder.texts == 4
    after = await rows(store, "alpha")
    assert after["Park behind the house."] == before["Park behind the house."]

    newer = await shelf.open("alpha")
    assert (await call.search("are there tulips or roses"))[0].text == "Roses grow there."
    assert (await newer.search("are there tulips or roses"))[0].text == "Tulips grow there."
    assert (await Shelf(store, embedder).open("alpha", 1)).version == 1
    assert len(await Shelf(store, embedder).open("alpha", 1)) == 2
    async with store.tenant("alpha") as scope:
        assert [piece.heading for piece in await documents.document_passages(scope, second.document_ids[0])] == [
            "House > Bus", "House > Parking", "House > Garden",
        ]  # fmt: skip


@store_test
async def test_the_index_from_the_database_is_the_one_built_from_the_documents(store: Store) -> None:
    await new_tenant(store, "alpha")
    files = [
        Document("a.md", "A", ONE.decode()),
        Document("b.md", "B", "## It's 5' \\ wide\n\nCafé, naïve: 3.5 o'clock.\n"),
    ]
    embedder = Vectors()
    await ingest.publish_business(store, embedder, "alpha", files, now=NOW)
    loaded = await Shelf(store, embedder).open("alpha")
    built = await Knowledge.build(files, embedder)
    for query in ("where is the parkin", "roses in the garden", "cafe at 3.5", "wide it's", ""):
        wanted = {(item.text, item.source, item.heading, item.score) for item in await built.search(query, 4)}
        assert {(item.text, item.source, item.heading, item.score) for item in await loaded.search(query)} <= wanted
        assert bool(wanted) == bool(await loaded.search(query))


@store_test
async def test_nothing_is_half_written(store: Store) -> None:
    await new_tenant(store, "alpha")
    with pytest.raises(ProviderError):
        await ingest.ingest(store, Vectors(fail=True), "alpha", "house.md", ONE, now=NOW)
    for name in ("", "a\nb.md", "x" * 301):
        with pytest.raises(DocumentError):
            await ingest.ingest(store, Vectors(), "alpha", name, ONE, now=NOW)
    async with store.tenant("alpha") as scope:
        assert await documents.current_version(scope) == 0
        assert await documents.list_documents(scope) == ()
    assert await rows(store, "alpha") == {}
    assert await (await Shelf(store, Vectors()).open("alpha")).search("anything") == ()


@store_test
async def test_many_at_once_follow_one_another(store: Store) -> None:
    await new_tenant(store, "alpha")
    async with asyncio.TaskGroup() as group:
        for number in range(6):
            file = Document(f"{number}.md", "T", f"Text number {number}.")
            item = ingest.Prepared(file.source, "T", 9, str(number), ingest.split_documents([file]))
            group.create_task(ingest.publish(store, Vectors(), "alpha", [item], origin="upload", now=NOW))
    async with store.tenant("alpha") as scope:
        assert await documents.current_version(scope) == 6
        page = await documents.list_documents(scope, limit=4)
        rest = await documents.list_documents(scope, limit=4, after=(page[-1].name, page[-1].document_id))
    assert [item.name for item in (*page, *rest)] == [f"{number}.md" for number in range(6)]


@store_test
async def test_deleting_and_purging(store: Store) -> None:
    await new_tenant(store, "alpha")
    await new_tenant(store, "beta")
    first = await ingest.ingest(store, Vectors(), "alpha", "house.md", ONE, now=NOW)
    identity = first.document_ids[0]
    for tenant, document in (("beta", identity), ("alpha", "doc_none"), ("beta", "doc_none")):
        with pytest.raises(NotFoundError) as caught:
            await ingest.delete_document(store, tenant, document, now=NOW)
        assert (caught.value.code, str(caught.value)) == ("document_unknown", "There is no such document.")
    assert len(await Shelf(store, Vectors()).open("beta")) == 0
    gone = await ingest.delete_document(store, "alpha", identity, now=NOW + timedelta(hours=1))
    assert (gone.version, gone.removed) == (2, 2)
    async with store.tenant("alpha") as scope:
        assert await documents.list_documents(scope) == ()
        assert await documents.purge(scope, now=NOW + timedelta(hours=2)) == 0
    assert len(await Shelf(store, Vectors()).open("alpha", 1)) == 2
    async with store.tenant("alpha") as scope:
        assert await documents.purge(scope, now=NOW + timedelta(hours=5)) == 2
        assert await scope.value("SELECT count(*) FROM documents") == 0


@store_test
async def test_what_the_business_file_no_longer_says_goes_and_uploads_stay(store: Store) -> None:
    await new_tenant(store, "alpha")
    await ingest.ingest(store, Vectors(), "alpha", "house.md", ONE, now=NOW)
    files = [Document("a.md", "A", "One."), Document("b.md", "B", "Two.")]
    await ingest.publish_business(store, Vectors(), "alpha", files, now=NOW)
    assert (await ingest.publish_business(store, Vectors(), "alpha", files[1:], now=NOW)).removed == 1
    async with store.tenant("alpha") as scope:
        assert [item.name for item in await documents.list_documents(scope)] == ["b.md", "house.md"]


@store_test
async def test_vectors_of_another_model_are_not_compared(store: Store) -> None:
    await new_tenant(store, "alpha")
    await ingest.ingest(store, Vectors(), "alpha", "house.md", ONE, now=NOW)
    other = Vectors("other")
    found = await (await Shelf(store, other).open("alpha")).ask("where can I park behind the house")
    assert found.passages[0].text == "Park behind the house."
    assert (other.texts, found.answerable) == (0, True)
