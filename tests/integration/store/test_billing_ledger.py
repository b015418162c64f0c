"""The ledger in the database: what it books, and what it refuses whoever asks."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from tests.integration.store.running import NOW, new_tenant, store_test

from aivoice.billing import (
    OPENING_CREDIT,
    Leases,
    Limits,
    Plan,
    UsageEvent,
    adjust,
    call_cost,
    check,
    check_all,
    open_account,
    record,
    set_limits,
    set_plan,
    standing,
    statement,
    top_up,
    usage,
)
from aivoice.billing.plans import UNIT
from aivoice.billing.prices import Price, Prices
from aivoice.billing.statements import all_lines, csv_text, lines, markdown
from aivoice.billing.usage import events_of
from aivoice.errors import InputError
from aivoice.store import ConflictError, NotFoundError, Store, Urls

PAID = Plan("paid", "month", included_s=0, price_per_minute=UNIT)
SOON = NOW + timedelta(seconds=1)


async def _on_plan(store: Store, tenant: str, plan: Plan, credit: int) -> None:
    await new_tenant(store, tenant)
    async with store.platform() as scope:
        await open_account(scope, tenant, NOW, credit=0)
        await set_plan(scope, tenant, plan, effective_from=NOW, now=NOW)
        if credit:
            await top_up(scope, tenant, credit, NOW, key="first")


@store_test
async def test_a_fresh_tenant_hears_a_call_and_its_bill_adds_up(store: Store) -> None:
    await new_tenant(store, "alpha")
    prices = Prices({("call.seconds", "line"): (Price(50),)})
    leases = Leases(prices=prices)
    async with store.tenant("alpha") as scope:
        admitted = await leases.admit(scope, "c1", NOW, holder="h")
        again = await leases.admit(scope, "c1", NOW, holder="h")
    assert (admitted.granted, admitted.seconds) == (True, 60)
    assert again == admitted
    async with store.tenant("alpha") as scope:
        assert (await leases.renew(scope, "c1", 1, 40, NOW + timedelta(seconds=40))).seconds == 60
        bill = await leases.settle(scope, "c1", 75, NOW + timedelta(seconds=75))
        assert bill == await leases.settle(scope, "c1", 75, NOW + timedelta(seconds=99))
        assert (bill.used_s, bill.included_s, bill.charged) == (75, 75, 0)
        now = await standing(scope, "alpha", NOW)
        assert (now.credit, now.held, now.included_s, now.included_held_s) == (OPENING_CREDIT, 0, 6_000 - 75, 0)
        assert now.open_calls == 0
        cost = await call_cost(scope, "c1")
        assert (cost.revenue, cost.cost, cost.margin) == (0, 75 * 50, -75 * 50)
        assert await check(scope) == []


@store_test
async def test_paid_seconds_are_charged_and_the_rest_is_returned_exactly(store: Store) -> None:
    await _on_plan(store, "alpha", Plan("odd", "month", 0, 100_000), 1_000_000)
    leases = Leases()
    async with store.tenant("alpha") as scope:
        await leases.admit(scope, "c1", SOON, holder="h")
        assert (await standing(scope, "alpha", SOON)).held == 100_000
        bill = await leases.settle(scope, "c1", 7, SOON)
        now = await standing(scope, "alpha", SOON)
        assert (bill.charged, now.credit, now.held, now.spent) == (11_666, 988_334, 0, 11_666)
        assert await check(scope) == []


@store_test
async def test_a_call_that_was_taken_for_dead_is_charged_what_was_missing_once(store: Store) -> None:
    await _on_plan(store, "alpha", PAID, 10 * UNIT)
    leases = Leases()
    async with store.tenant("alpha") as scope:
        await leases.admit(scope, "c1", SOON, holder="h")
        await leases.renew(scope, "c1", 1, 40, SOON)
    assert await leases.recover(store, SOON + timedelta(seconds=60)) == []
    (recovered,) = await leases.recover(store, SOON + timedelta(seconds=200))
    assert (recovered.tenant_id, recovered.bill.used_s) == ("alpha", 40)
    async with store.tenant("alpha") as scope:
        assert (await leases.renew(scope, "c1", 2, 100, SOON)).reason == "closed"
        assert (await standing(scope, "alpha", SOON)).credit == 10 * UNIT - 40 * UNIT // 60
        for _ in range(2):
            bill = await leases.settle(scope, "c1", 90, SOON)
            assert (bill.used_s, bill.charged) == (90, 1_500_000)
        assert (await usage(scope, NOW, SOON + timedelta(hours=1))).by_type[("call.seconds", "line")][0] == 90
        assert await check(scope) == []


@store_test
async def test_money_comes_from_the_operator_once_for_each_key(store: Store) -> None:
    await _on_plan(store, "alpha", PAID, 0)
    async with store.platform() as scope:
        for _ in range(2):
            await top_up(scope, "alpha", 5 * UNIT, NOW, key="p1")
        await adjust(scope, "alpha", -UNIT, NOW, key="a1", memo="goodwill taken back")
        assert (await standing(scope, "alpha", NOW)).credit == 4 * UNIT
    with pytest.raises(ConflictError):
        async with store.platform() as scope:
            await top_up(scope, "alpha", 6 * UNIT, NOW, key="p1")
    with pytest.raises(InputError, match="less credit"):
        async with store.platform() as scope:
            await adjust(scope, "alpha", -5 * UNIT, NOW, key="a2", memo="")
    with pytest.raises(NotFoundError):
        async with store.platform() as scope:
            await top_up(scope, "nobody", UNIT, NOW, key="p1")
    with pytest.raises(InputError, match="money_comes_from_the_operator"):
        async with store.tenant("alpha") as tenant:
            await top_up(tenant, "alpha", UNIT, NOW, key="p2")  # type: ignore[arg-type]
    assert await check_all(store) == {}


@pytest.mark.parametrize(
    "statement_",
    [
        "UPDATE entries SET amount = 1",
        "DELETE FROM entries",
        "DELETE FROM transactions",
        "UPDATE usage_events SET cost = 1",
        "TRUNCATE transactions CASCADE",
    ],
)
def test_not_even_the_owner_changes_what_was_booked(urls: Urls, statement_: str) -> None:
    with psycopg.connect(urls.owner) as connection, pytest.raises(psycopg.errors.IntegrityError):
        connection.execute(statement_.encode())


@store_test
async def test_roles_may_only_add_to_the_ledger(store: Store, urls: Urls) -> None:
    await _on_plan(store, "alpha", PAID, UNIT)
    for url in (urls.app, urls.platform):
        for statement_ in ("UPDATE entries SET amount = 1", "DELETE FROM transactions", "DELETE FROM balances"):
            with psycopg.connect(url) as raw, pytest.raises(psycopg.errors.InsufficientPrivilege):
                raw.execute(statement_.encode())


@store_test
async def test_what_does_not_balance_is_not_committed(store: Store) -> None:
    await _on_plan(store, "alpha", PAID, UNIT)
    row = "INSERT INTO transactions (tenant_id, key, kind, at) VALUES (%(tenant_id)s, 'x', 'lease', now())"
    entry = "INSERT INTO entries (tenant_id, key, account, amount) VALUES (%(tenant_id)s, 'x', %(account)s, %(amount)s)"
    wrong = [[("credit", 5)], [("credit", 5), ("included", -5)], [("credit", 5), ("held", -4)], [("credit", -2 * UNIT)]]
    for entries in wrong:
        with pytest.raises(InputError):
            async with store.tenant("alpha") as scope:
                await scope.run(row)
                for account, amount in entries:
                    await scope.run(entry, {"account": account, "amount": amount})
    async with store.tenant("alpha") as scope:
        assert await check(scope) == []
        assert (await standing(scope, "alpha", NOW)).credit == UNIT


@store_test
async def test_the_check_sees_a_balance_that_was_touched(
    store: Store, owner: psycopg.Connection[dict[str, object]]
) -> None:
    await _on_plan(store, "alpha", PAID, UNIT)
    owner.execute("UPDATE balances SET balance = balance + 1 WHERE account = 'credit'")
    owner.execute("UPDATE billing_accounts SET open_calls = 3")
    found = (await check_all(store))["alpha"]
    assert found == ["a balance is not the sum of its entries: credit", "the number of open calls is wrong: open_calls"]


@store_test
async def test_statements_add_up_and_their_lines_are_the_ledger(store: Store) -> None:
    await _on_plan(store, "alpha", Plan("mixed", "month", 60, UNIT), 20 * UNIT)
    leases = Leases()
    async with store.tenant("alpha") as scope:
        for number, used in enumerate((30, 59, 90)):
            at = SOON + timedelta(minutes=number)
            await leases.admit(scope, f"=c{number}", at, holder="h")
            await leases.renew(scope, f"=c{number}", 1, min(used, 40), at)
            await leases.settle(scope, f"=c{number}", used, at)
        await leases.admit(scope, "open", SOON + timedelta(minutes=2), holder="h")  # held at the end of the period
        end = SOON + timedelta(minutes=3)
        whole = await statement(scope, NOW, end)
        assert whole.opening == 0
        pages = [line async for page in all_lines(scope, NOW, end) for line in page]
        assert sum(line.amount for line in pages) == whole.closing - whole.opening
        assert whole.closing == 20 * UNIT - (30 + 59 + 90 - 60) * UNIT // 60 - 1 * 0
        assert [line.kind for line in pages] == ["top_up", "period", *["settlement"] * 3]
        assert await lines(scope, NOW, end, after=pages[1], limit=1) == [pages[2]]
        first = await statement(scope, NOW, SOON + timedelta(minutes=1))
        second = await statement(scope, SOON + timedelta(minutes=1), end)
        assert (first.closing, second.closing) == (second.opening, whole.closing)
        assert "'=c1" in csv_text(pages)
        text = markdown(whole, pages)
        assert "| Payments | 1 | 0:00 | 20.00 |" in text
        assert "| **Closing balance** | | | **18.016667** |" in text


@store_test
async def test_usage_is_kept_once_with_its_cost(store: Store) -> None:
    await _on_plan(store, "alpha", PAID, UNIT)
    prices = Prices({("llm.prompt_tokens", "cloud"): (Price(150_000, 1_000_000), Price(300_000, 1_000_000, SOON))})
    events = [
        UsageEvent("c1:1", "llm.prompt_tokens", "cloud", 1_000),
        UsageEvent("c1:2", "llm.wasted_prompt_tokens", "cloud", 100),
        UsageEvent("c1:3", "stt.seconds", "embedded", 60),
    ]
    async with store.tenant("alpha") as scope:
        assert await record(scope, "c1", events[:2], NOW, prices=prices) == 2
        assert await record(scope, "c1", events, SOON, prices=prices) == 1
        assert (await call_cost(scope, "c1")).cost == 150 + 15
        assert await check(scope) == []
        told = await events_of(scope, "c1")
    assert told[0]["type"] == "aivoice.usage.llm.prompt_tokens"
    assert told[0]["data"] == {"provider": "cloud", "quantity": 1_000, "unit": "token", "cost": 150}
    with pytest.raises(InputError):
        async with store.tenant("alpha") as scope:
            await record(scope, "c1", [UsageEvent("x", "gold", "cloud", 1)], NOW)


@store_test
async def test_limits_and_plans_are_changed_by_the_operator_and_begin_when_they_say(store: Store) -> None:
    await _on_plan(store, "alpha", PAID, 10 * UNIT)
    leases, later = Leases(), NOW + timedelta(days=1)
    async with store.platform() as scope:
        await set_plan(scope, "alpha", Plan("better", "day", 600, UNIT // 2, UNIT), effective_from=later, now=NOW)
        await set_limits(scope, "alpha", Limits(calls=1), NOW)
        with pytest.raises(InputError, match="past"):
            await set_plan(scope, "alpha", PAID, effective_from=NOW - timedelta(days=1), now=NOW)
    async with store.tenant("alpha") as scope:
        assert (await leases.admit(scope, "c1", SOON, holder="h")).granted
        assert (await leases.admit(scope, "c2", SOON, holder="h")).reason == "calls"
        await leases.settle(scope, "c1", 60, SOON)
        assert (await leases.admit(scope, "c3", later, holder="h")).granted
        now = await standing(scope, "alpha", later)
        assert (now.plan.name, now.included_s, now.included_held_s, now.credit) == ("better", 540, 60, 10 * UNIT)
        assert await check(scope) == []


@store_test
async def test_a_suspended_tenant_and_one_without_credit_are_refused(store: Store) -> None:
    await _on_plan(store, "alpha", PAID, UNIT - 1)
    leases = Leases()
    async with store.tenant("alpha") as scope:
        assert (await leases.admit(scope, "c1", SOON, holder="h")).reason == "credit"
    async with store.platform() as scope:
        await scope.run("UPDATE tenants SET status = 'suspended'")
    async with store.tenant("alpha") as scope:
        assert (await leases.admit(scope, "c1", SOON, holder="h")).reason == "suspended"
    with pytest.raises(NotFoundError):
        async with store.tenant("alpha") as scope:
            await leases.settle(scope, "c1", 1, SOON)
    with pytest.raises(NotFoundError):
        async with store.tenant("nobody") as scope:
            await leases.admit(scope, "c1", SOON, holder="h")
