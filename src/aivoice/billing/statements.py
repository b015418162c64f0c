"""Statements: what came, what was charged, and that it adds up. Lines are ledger transactions, each by what it did
to the tenant's funds (credit and held together) and to its seconds; what only moves between free and held is no
line."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from aivoice.billing.plans import money_text
from aivoice.errors import VoiceError
from aivoice.store import Scope

PAGE = 500
"""Lines read at a time."""
_KINDS = {
    "opening": "Opening credit",
    "period": "Credit of the plan",
    "top_up": "Payments",
    "adjustment": "Adjustments",
    "settlement": "Calls",
    "late": "Calls, charged later",
}
_LINES = """
SELECT t.key, t.at, t.kind, t.call_id, t.memo,
       coalesce(sum(e.amount) FILTER (WHERE e.account IN ('credit', 'held')), 0)::bigint AS amount,
       coalesce(sum(e.amount) FILTER (WHERE e.account = 'included_used'), 0)::bigint AS seconds
FROM transactions t JOIN entries e USING (tenant_id, key)
WHERE tenant_id = %(tenant_id)s AND t.at >= %(start)s AND t.at < %(end)s AND t.kind NOT IN ('lease', 'cost')
"""


class StatementError(VoiceError):
    """The statement does not add up: nothing is shown; `billing.check` says what is wrong."""

    code, stage, status = "statement_wrong", "billing", 500


@dataclass(frozen=True, slots=True)
class Total:
    """All lines of a kind: micro-units (charges are negative), included seconds used, and how many."""

    kind: str
    amount: int
    included_s: int
    lines: int


@dataclass(frozen=True, slots=True)
class Line:
    """One transaction. key: its place in the order, for the next page."""

    key: str
    at: datetime
    kind: str
    call_id: str
    memo: str
    amount: int
    included_s: int


@dataclass(frozen=True, slots=True)
class Statement:
    """opening + the totals' amounts = closing, in micro-units; end excluded."""

    start: datetime
    end: datetime
    currency: str
    opening: int
    closing: int
    totals: tuple[Total, ...]


async def statement(scope: Scope, start: datetime, end: datetime) -> Statement:
    """The sums of a period. opening and closing come from the balances and the entries, the totals from the lines.

    Raises StatementError where they differ, StoreError.
    """
    given = {"start": start, "end": end}
    row = await scope.one(
        "SELECT a.currency, (SELECT sum(balance) FROM balances b WHERE b.tenant_id = %(tenant_id)s "
        "AND b.account IN ('credit', 'held'))::bigint AS funds, "
        "coalesce(sum(e.amount), 0)::bigint AS since_start, "
        "coalesce(sum(e.amount) FILTER (WHERE t.at >= %(end)s), 0)::bigint AS since_end "
        "FROM billing_accounts a LEFT JOIN (transactions t JOIN entries e USING (tenant_id, key)) "
        "ON t.tenant_id = a.tenant_id AND t.at >= %(start)s AND e.account IN ('credit', 'held') "
        "WHERE a.tenant_id = %(tenant_id)s GROUP BY a.currency",
        given,
    )
    if row is None:
        return Statement(start, end, "USD", 0, 0, ())
    rows = await scope.all(
        "SELECT kind, sum(amount)::bigint AS amount, sum(seconds)::bigint AS seconds, count(*) AS lines FROM ("
        + _LINES
        + " GROUP BY tenant_id, t.key) l GROUP BY kind ORDER BY kind",
        given,
    )
    totals = tuple(Total(row["kind"], row["amount"], row["seconds"], row["lines"]) for row in rows)
    opening, closing = row["funds"] - row["since_start"], row["funds"] - row["since_end"]
    if opening + sum(total.amount for total in totals) != closing:
        raise StatementError("The statement does not add up; the operator was told.")
    return Statement(start, end, row["currency"], opening, closing, totals)


async def lines(
    scope: Scope, start: datetime, end: datetime, *, after: Line | None = None, limit: int = PAGE
) -> list[Line]:
    """A page of lines, the oldest first, at most `PAGE`."""
    given = {"start": start, "end": end, "limit": max(1, min(limit, PAGE))}
    more = ""
    if after is not None:
        more = " AND (t.at, t.key) > (%(at)s, %(key)s)"
        given |= {"at": after.at, "key": after.key}
    sql = _LINES + more + " GROUP BY tenant_id, t.key ORDER BY t.at, t.key LIMIT %(limit)s"
    rows = await scope.all(sql, given)
    return [
        Line(row["key"], row["at"], row["kind"], row["call_id"], row["memo"], row["amount"], row["seconds"])
        for row in rows
    ]


async def all_lines(scope: Scope, start: datetime, end: datetime) -> AsyncIterator[Sequence[Line]]:
    """Every line, page by page."""
    after: Line | None = None
    while True:
        page = await lines(scope, start, end, after=after)
        if page:
            yield page
            after = page[-1]
        if len(page) < PAGE:
            return


def csv_text(page: Sequence[Line], *, header: bool = True) -> str:
    """A page as CSV: at, kind, call, amount, included seconds, memo. What a spreadsheet would take for a formula is
    written as text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    if header:
        writer.writerow(["at", "kind", "call", "amount", "included_seconds", "memo"])
    for line in page:
        row = [line.at.isoformat(), line.kind, _plain(line.call_id), money_text(line.amount)]
        writer.writerow([*row, line.included_s, _plain(line.memo)])
    return out.getvalue()


def markdown(given: Statement, page: Sequence[Line] = ()) -> str:
    """For reading: the sums, then the lines that are given."""
    out = [
        f"# Statement {given.start:%Y-%m-%d %H:%M} to {given.end:%Y-%m-%d %H:%M} UTC ({given.currency})",
        "",
        "| | lines | included minutes | amount |",
        "|---|---:|---:|---:|",
        f"| Opening balance | | | {money_text(given.opening)} |",
    ]
    for total in given.totals:
        used = f"{total.included_s // 60}:{total.included_s % 60:02d}"
        out.append(f"| {_KINDS[total.kind]} | {total.lines} | {used} | {money_text(total.amount)} |")
    out.append(f"| **Closing balance** | | | **{money_text(given.closing)}** |")
    if page:
        out += ["", "| at (UTC) | what | call | amount |", "|---|---|---|---:|"]
        for line in page:
            what = _cell(f"{_KINDS[line.kind]}{': ' + line.memo if line.memo else ''}")
            out.append(f"| {line.at:%Y-%m-%d %H:%M:%S} | {what} | {_cell(line.call_id)} | {money_text(line.amount)} |")
    return "\n".join(out) + "\n"


def _plain(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
