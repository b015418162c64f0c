"""The ledger, what it is charged by, and the calls it is charged for. See docs/adr/0084."""

from __future__ import annotations

from aivoice.store.roles import APP
from aivoice.store.tables import execute, tenant_table

revision = "0006"
down_revision = "0005"

_ACCOUNTS = """
currency text NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z]{3}$'),
opened_at timestamptz NOT NULL,
open_calls int NOT NULL DEFAULT 0 CHECK (open_calls >= 0),
period_start timestamptz,
day date,
day_s bigint NOT NULL DEFAULT 0 CHECK (day_s >= 0),
spent bigint NOT NULL DEFAULT 0,
noticed text[] NOT NULL DEFAULT '{}',
max_calls int CHECK (max_calls >= 0),
max_day_s bigint CHECK (max_day_s >= 0),
max_spend bigint CHECK (max_spend >= 0),
soft_percent int NOT NULL DEFAULT 80 CHECK (soft_percent BETWEEN 1 AND 100),
low_credit bigint NOT NULL DEFAULT 5000000 CHECK (low_credit >= 0)
"""
_LEDGER = (
    tenant_table(
        "transactions",
        """
        key text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
        kind text NOT NULL CHECK (kind IN
            ('opening', 'period', 'top_up', 'adjustment', 'lease', 'settlement', 'late', 'cost')),
        call_id text NOT NULL DEFAULT '',
        memo text NOT NULL DEFAULT '' CHECK (length(memo) <= 200),
        at timestamptz NOT NULL,
        CHECK ((kind = 'opening') = (key = 'opening'))
        """,
        key=("key",),
        app="SELECT, INSERT",
        platform="SELECT, INSERT",
    ),
    "CREATE INDEX transactions_at ON transactions (tenant_id, at, key)",
    tenant_table(
        "entries",
        """
        key text NOT NULL,
        account text NOT NULL CHECK (account IN
            ('credit', 'held', 'revenue', 'payments', 'grants', 'adjustments', 'cost', 'providers',
             'included', 'included_held', 'included_used', 'included_granted', 'included_expired')),
        amount bigint NOT NULL CHECK (amount <> 0),
        unit text NOT NULL GENERATED ALWAYS AS
            (CASE WHEN account LIKE 'included%' THEN 'seconds' ELSE 'money' END) STORED,
        FOREIGN KEY (tenant_id, key) REFERENCES transactions
        """,
        key=("key", "account"),
        app="SELECT, INSERT",
        platform="SELECT, INSERT",
    ),
    # The last line of defence against spending what is not there: no bug above can take these below zero.
    tenant_table(
        "balances",
        """
        account text NOT NULL,
        balance bigint NOT NULL DEFAULT 0,
        CHECK (balance >= 0 OR account NOT IN ('credit', 'held', 'included', 'included_held'))
        """,
        key=("account",),
        app="SELECT, INSERT, UPDATE (balance)",
        platform="SELECT, INSERT, UPDATE (balance)",
    ),
)
_RULES = (
    """
    CREATE FUNCTION entries_balance() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT count(*) < 2 OR bool_or(total <> 0) FROM (
                SELECT unit, sum(amount) OVER (PARTITION BY unit) AS total FROM entries
                WHERE tenant_id = NEW.tenant_id AND key = NEW.key) sums) THEN
            RAISE EXCEPTION 'a transaction does not balance'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'entries_balance';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER entries_balance AFTER INSERT ON entries DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION entries_balance()
    """,
    """
    CREATE FUNCTION entries_are_booked() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        moved bigint;
    BEGIN
        UPDATE balances b SET balance = b.balance + s.amount
        FROM (SELECT tenant_id, account, sum(amount) AS amount FROM added GROUP BY 1, 2) s
        WHERE b.tenant_id = s.tenant_id AND b.account = s.account;
        GET DIAGNOSTICS moved = ROW_COUNT;
        IF moved <> (SELECT count(*) FROM (SELECT DISTINCT tenant_id, account FROM added) d) THEN
            RAISE EXCEPTION 'an account was not opened'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'entries_are_booked';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER entries_are_booked AFTER INSERT ON entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION entries_are_booked()
    """,
    """
    CREATE FUNCTION is_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'is_never_changed';
    END $$
    """,
    *(
        f"CREATE TRIGGER is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION is_never_changed()"
        for table in ("transactions", "entries", "usage_events")
    ),
    # Money comes in by the operator's connection alone: a flaw in a tenant's route cannot make any.
    f"""
    CREATE FUNCTION money_comes_from_the_operator() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_user = '{APP}' THEN
            RAISE EXCEPTION 'only the operator books this'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'money_comes_from_the_operator';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER money_comes_from_the_operator BEFORE INSERT ON transactions
    FOR EACH ROW WHEN (NEW.kind IN ('top_up', 'adjustment')) EXECUTE FUNCTION money_comes_from_the_operator()
    """,
    """
    CREATE FUNCTION account_state(the_tenant text, the_call text, moment timestamptz) RETURNS jsonb
    LANGUAGE sql STABLE AS $$
        SELECT to_jsonb(a) || jsonb_build_object(
            'balances', (SELECT jsonb_object_agg(b.account, b.balance) FROM balances b WHERE tenant_id = the_tenant),
            'tenant', (SELECT jsonb_build_object('zone', zone, 'status', status) FROM tenants WHERE id = the_tenant),
            'plan', (SELECT to_jsonb(p) FROM plans p WHERE tenant_id = the_tenant AND effective_from <= moment
                     ORDER BY effective_from DESC LIMIT 1),
            'call', (SELECT to_jsonb(c) FROM metered_calls c WHERE tenant_id = the_tenant AND call_id = the_call))
        FROM billing_accounts a WHERE tenant_id = the_tenant
    $$
    """,
    # One round trip that locks first and reads after: a plain SELECT … FOR UPDATE that had to wait would show the other
    # tables as they were before the wait. VOLATILE (the default) gives each statement in here a new snapshot.
    """
    CREATE FUNCTION locked_account(the_tenant text, the_call text, moment timestamptz) RETURNS jsonb
    LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM 1 FROM billing_accounts WHERE tenant_id = the_tenant FOR UPDATE;
        RETURN account_state(the_tenant, the_call, moment);
    END $$
    """,
)


def upgrade() -> None:
    execute(
        # The row of a tenant is also the lock under which everything of its bill happens, one step after the other.
        tenant_table(
            "billing_accounts",
            _ACCOUNTS,
            key=(),
            app="SELECT, INSERT, UPDATE (open_calls, period_start, day, day_s, spent, noticed)",
            platform="SELECT, INSERT, UPDATE",
        ),
        tenant_table(
            "plans",
            """
            effective_from timestamptz NOT NULL,
            name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
            period text NOT NULL CHECK (period IN ('day', 'week', 'month')),
            included_s bigint NOT NULL CHECK (included_s >= 0),
            price_per_minute bigint NOT NULL CHECK (price_per_minute >= 0),
            credit bigint NOT NULL CHECK (credit >= 0)
            """,
            key=("effective_from",),
            app="SELECT",
            platform="SELECT, INSERT",
        ),
        *_LEDGER,
        tenant_table(
            "metered_calls",
            """
            call_id text NOT NULL CHECK (length(call_id) BETWEEN 1 AND 100),
            status text NOT NULL CHECK (status IN ('open', 'settled', 'recovered')),
            holder text NOT NULL,
            admitted_at timestamptz NOT NULL,
            ended_at timestamptz,
            lease_until timestamptz NOT NULL,
            price_per_minute bigint NOT NULL,
            slices int NOT NULL,
            last_slice_s int NOT NULL,
            leased_s int NOT NULL,
            held bigint NOT NULL,
            held_included_s int NOT NULL,
            period_start timestamptz NOT NULL,
            period_held bigint NOT NULL,
            period_included_s int NOT NULL,
            day date NOT NULL,
            day_s int NOT NULL,
            used_s int NOT NULL,
            included_used_s int NOT NULL DEFAULT 0,
            paid_s int NOT NULL DEFAULT 0,
            charged bigint NOT NULL DEFAULT 0,
            overrun_s int NOT NULL DEFAULT 0,
            CHECK (status <> 'open' OR (ended_at IS NULL AND held_included_s <= leased_s))
            """,
            key=("call_id",),
            app="SELECT, INSERT, UPDATE",
            platform="SELECT",
        ),
        "CREATE INDEX metered_calls_open ON metered_calls (lease_until) WHERE status = 'open'",
        "CREATE INDEX metered_calls_ended ON metered_calls (tenant_id, ended_at, call_id)",
        # CloudEvents: source and id are unique together; subject is the call.
        tenant_table(
            "usage_events",
            """
            source text NOT NULL CHECK (length(source) BETWEEN 1 AND 200),
            id text NOT NULL CHECK (length(id) BETWEEN 1 AND 200),
            type text NOT NULL CHECK (length(type) BETWEEN 1 AND 100),
            call_id text NOT NULL,
            time timestamptz NOT NULL,
            provider text NOT NULL,
            quantity bigint NOT NULL CHECK (quantity >= 0),
            cost bigint NOT NULL CHECK (cost >= 0)
            """,
            key=("source", "id"),
            app="SELECT, INSERT",
            platform="SELECT",
        ),
        "CREATE INDEX usage_events_call ON usage_events (tenant_id, call_id)",
        "CREATE INDEX usage_events_time ON usage_events (tenant_id, time)",
        *_RULES,
    )
