"""Reads the database's catalogue and names everything by which one tenant could see another's rows."""

from __future__ import annotations

import psycopg

from aivoice.store.roles import APP, PLATFORM

_TENANT = "current_setting('aivoice.tenant'::text, true)"

_TABLES = """
SELECT c.relname AS name, c.relrowsecurity AS secured, c.relforcerowsecurity AS forced,
       pg_get_userbyid(c.relowner) AS owner,
       CASE WHEN c.relname = 'tenants' THEN 'id' ELSE 'tenant_id' END AS tenant,
       (SELECT attnotnull FROM pg_attribute WHERE attrelid = c.oid AND NOT attisdropped
           AND attname = CASE WHEN c.relname = 'tenants' THEN 'id' ELSE 'tenant_id' END) AS not_null,
       (SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = c.oid AND attnum = indkey[0]
         WHERE indrelid = c.oid AND indisprimary) AS first_key
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') ORDER BY 1
"""
_POLICIES = """
SELECT polname AS name, polcmd AS command, pg_get_expr(polqual, polrelid) AS using_,
       pg_get_expr(polwithcheck, polrelid) AS checking,
       (SELECT array_agg(CASE WHEN r = 0 THEN 'public' ELSE pg_get_userbyid(r)::text END)
          FROM unnest(polroles) r) AS roles
FROM pg_policy WHERE polrelid = ('public.' || quote_ident(%(table)s))::regclass
"""
_LOOSE_REFERENCES = """
SELECT conrelid::regclass::text AS name, conname FROM pg_constraint k
WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND confrelid <> 'public.tenants'::regclass
  AND NOT (
    EXISTS (SELECT 1 FROM pg_attribute
             WHERE attrelid = k.conrelid AND attnum = ANY (k.conkey) AND attname = 'tenant_id')
    AND EXISTS (SELECT 1 FROM pg_attribute
                 WHERE attrelid = k.confrelid AND attnum = ANY (k.confkey) AND attname = 'tenant_id'))
"""
_LOOSE_UNIQUES = f"""
SELECT i.indrelid::regclass::text AS name, i.indexrelid::regclass::text AS index FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'tenants'
  AND NOT EXISTS (SELECT 1 FROM pg_attribute
                   WHERE attrelid = i.indrelid AND attnum = ANY (i.indkey::int2[]) AND attname = 'tenant_id')
  AND (has_table_privilege('{APP}', i.indrelid, 'INSERT') OR has_any_column_privilege('{APP}', i.indrelid, 'UPDATE'))
"""
_VIEWS = """
SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
  AND (relkind = 'm' OR (relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)))
"""
_FUNCTIONS = "SELECT proname AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
_ROLES = f"""
SELECT rolname AS name, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb AS mighty,
       EXISTS (SELECT 1 FROM pg_auth_members WHERE member = r.oid) AS member,
       (SELECT count(*) FROM pg_class WHERE relowner = r.oid) AS owns
FROM pg_roles r WHERE rolname IN ('{APP}', '{PLATFORM}')
"""
_SCHEMAS = f"""
SELECT nspname AS name FROM pg_namespace WHERE nspname NOT IN ('public', 'pg_catalog', 'information_schema', 'pg_toast')
  AND (has_schema_privilege('{APP}', oid, 'USAGE') OR has_schema_privilege('{APP}', oid, 'CREATE'))
"""


def audit(connection: psycopg.Connection[dict[str, object]]) -> list[str]:
    """One line for each thing that is not as ADR 0080 says. connection: the owner's, with dict rows."""
    found: list[str] = []
    for table in connection.execute(_TABLES).fetchall():
        found += [f"table {table['name']}: {what}" for what in _table(table) + _policies(connection, table)]
    lists = {
        "table {name}: foreign key {conname} leaves the tenant out": _LOOSE_REFERENCES,
        "table {name}: unique index {index} spans tenants, and a tenant may write": _LOOSE_UNIQUES,
        "view {name}: runs with its owner's rights": _VIEWS,
        "function {name}: runs with its owner's rights": _FUNCTIONS,
        f"schema {{name}}: {APP} may use it": _SCHEMAS,
    }
    for text, query in lists.items():
        found += [text.format_map(row) for row in connection.execute(query.encode()).fetchall()]
    for role in connection.execute(_ROLES.encode()).fetchall():
        if role["mighty"] or role["member"] or role["owns"]:
            found.append(f"role {role['name']}: has rights beyond those that tables grant it")
    return found


def _table(table: dict[str, object]) -> list[str]:
    wrong: list[str] = []
    if not table["secured"]:
        wrong.append("row-level security is not enabled")
    if not table["forced"]:
        wrong.append("row-level security is not forced on its owner")
    if not table["not_null"]:
        wrong.append(f"has no {table['tenant']} NOT NULL")
    if table["first_key"] != table["tenant"]:
        wrong.append(f"its primary key does not begin with {table['tenant']}")
    if table["owner"] in (APP, PLATFORM):
        wrong.append(f"is owned by {table['owner']}")
    return wrong


def _policies(connection: psycopg.Connection[dict[str, object]], table: dict[str, object]) -> list[str]:
    wrong: list[str] = []
    wanted = f"({table['tenant']} = {_TENANT})"
    seen = False
    for policy in connection.execute(_POLICIES, {"table": table["name"]}).fetchall():
        roles = policy["roles"]
        assert isinstance(roles, list)
        if roles == [PLATFORM]:
            continue
        if roles == [APP] and policy["command"] == "*" and policy["using_"] == policy["checking"] == wanted:
            seen = True
        else:
            wrong.append(f"policy {policy['name']} is not the tenant's own")
    return wrong if seen else [*wrong, "has no policy of its tenant with USING and WITH CHECK"]
