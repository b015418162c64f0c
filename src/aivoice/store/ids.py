"""Ids of everything but tenants: unguessable, and readable in a log."""

from __future__ import annotations

import secrets


def new_id(kind: str) -> str:
    """``doc_`` and 22 random letters and digits (128 bits; no - or _, so that a double click takes it whole)."""
    while True:
        token = secrets.token_urlsafe(16)
        if "-" not in token and "_" not in token:
            return f"{kind}_{token}"
