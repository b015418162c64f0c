"""``kill -9`` at any point of calls and of their bill: nothing is billed twice, nothing is lost beyond a slice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import psycopg
from tests.integration.store.killed_child import TENANTS
from tests.integration.store.running import NOW, new_tenant, store_test

from aivoice.billing import Leases, Plan, check_all, holders, open_account, set_plan, top_up
from aivoice.billing.plans import UNIT
from aivoice.billing.rules import SLICE_S
from aivoice.store import Store, Urls
from aivoice.tenants.records import DeadCalls, close_of_dead, processes

KILLS = int(os.environ.get("AIVOICE_KILLS", "6"))
"""Points at which the process is killed; `make prove` sets 200."""
ROOT = Path(__file__).resolve().parents[3]


def killed_at(urls: Urls, name: str, seed: int, log: Path, after_s: float) -> None:
    """Let it run for so long from its first call on, then kill it."""
    command = [sys.executable, "-m", "tests.integration.store.killed_child"]
    process = subprocess.Popen([*command, urls.app, urls.platform, name, str(seed), str(log)], cwd=ROOT)
    try:
        until = time.monotonic() + 30
        while not (log.exists() and log.stat().st_size) and time.monotonic() < until:
            assert process.poll() is None, "it ended by itself"
            time.sleep(0.005)
        time.sleep(after_s)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@store_test
async def test_nothing_is_billed_twice_and_nothing_lost_beyond_a_slice(
    store: Store, urls: Urls, tmp_path: Path, owner: psycopg.Connection[dict[str, object]]
) -> None:
    for tenant in TENANTS:
        await new_tenant(store, tenant)
        async with store.platform() as scope:
            await open_account(scope, tenant, NOW, credit=0)
            await set_plan(scope, tenant, Plan("p", "month", 3_600, UNIT // 7), effective_from=NOW, now=NOW)
            await top_up(scope, tenant, 2_000 * UNIT, NOW, key="first")
    rng = random.Random(7)
    leases = Leases(records=DeadCalls())
    seen = 0
    for kill in range(KILLS):
        name, log = f"run{kill}", tmp_path / f"{kill}.log"
        killed_at(urls, name, kill, log, rng.uniform(0.0, 0.5))
        later = NOW + timedelta(hours=kill + 1)
        await leases.recover(store, later, dead=await holders(store))
        async with store.platform() as scope:
            await close_of_dead(scope, dead=await processes(scope), now=later)
        assert await check_all(store) == {}, f"after kill {kill}"
        again = await leases.recover(store, later, dead=[name])
        assert again == []
        seen += _judged(owner, log, name)
    assert seen >= KILLS
    _nothing_is_held(owner)


def _judged(owner: psycopg.Connection[dict[str, object]], log: Path, name: str) -> int:
    """Every call of the run against what it had told; how many there were."""
    told: dict[str, int] = defaultdict(int)
    kept: dict[str, int] = defaultdict(int)
    for line in log.read_text().splitlines():
        words = line.split(" ")
        if len(words) == 3 and words[0] in ("told", "kept"):
            known = told if words[0] == "told" else kept
            known[words[1]] = max(known[words[1]], int(words[2]))
    rows = owner.execute(
        "SELECT call_id, status, used_s, included_used_s + paid_s + overrun_s AS billed, leased_s FROM metered_calls "
        "WHERE holder = %s",
        [name],
    ).fetchall()
    billed = {str(row["call_id"]): row for row in rows}
    for call_id, used in kept.items():
        row = billed[call_id]  # what was committed is there
        assert row["status"] in ("settled", "recovered")
        seconds = int(str(row["billed"]))
        assert seconds >= used, f"{call_id}: {used} s were told and kept, {seconds} s are billed"
        assert seconds <= max(told[call_id], used), f"{call_id}: more is billed than was ever told"
        assert int(str(row["leased_s"])) - seconds <= 2 * SLICE_S, f"{call_id}: more than a slice is lost"
    open_records = owner.execute("SELECT count(*) AS n FROM calls WHERE ended_at IS NULL").fetchone()
    assert open_records is not None
    assert open_records["n"] == 0
    twice = owner.execute("SELECT subject FROM (SELECT call_id AS subject, type, count(*) AS n FROM usage_events "
                          "GROUP BY 1, 2) u WHERE n > 1").fetchall()  # fmt: skip
    assert twice == []
    return len(billed)


def _nothing_is_held(owner: psycopg.Connection[dict[str, object]]) -> None:
    held = owner.execute("SELECT account, balance FROM balances WHERE account IN ('held', 'included_held')").fetchall()
    assert all(row["balance"] == 0 for row in held)
    counts = owner.execute("SELECT sum(open_calls) AS n FROM billing_accounts").fetchone()
    assert counts is not None
    assert counts["n"] == 0
