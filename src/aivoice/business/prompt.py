"""A business in words: the system prompt, and its hours, prices and contact details as knowledge documents."""

from __future__ import annotations

from aivoice.business.model import Business, Document

_RULES = """\
You answer the telephone. Speak as a person does on the phone: one or two short sentences, plain words, \
no lists, no markup, no emoji.
Answer only from the facts below and from the passages you are given. If they do not say it, say that you don't know \
and offer to take a message.
Ask for one thing at a time. Read names, numbers, days and times back before you book or change anything, \
and wait for a yes.
Never promise what a tool has not confirmed. If a tool's outcome is unknown, say so and offer to have someone call back.
If the caller wants a person, transfer the call at once. When the caller has said goodbye, say goodbye and end the \
call."""


def system_prompt(business: Business) -> str:
    """Deterministic: the same file gives the same text, byte for byte."""
    parts = [f"You are the receptionist of {business.name}.", _RULES]
    if business.personality:
        parts.append(f"Your manner: {business.personality}")
    if business.instructions:
        parts.append(f"Instructions from the business:\n{business.instructions}")
    contact = _contact(business)
    if contact:
        parts.append("Contact:\n" + "\n".join(contact))
    if business.hours.known:
        parts.append(
            f"Opening hours ({business.timezone}):\n"
            + "\n".join((*business.hours.weekly_lines(), *business.hours.special_lines()))
        )
    if business.transfers:
        names = "\n".join(
            f"- {item.name}" + (f" (callers say: {', '.join(item.phrases)})" if item.phrases else "")
            for item in business.transfers
        )
        parts.append(f"You can transfer calls to:\n{names}")
    return "\n\n".join(parts)


def _contact(business: Business) -> list[str]:
    pairs = (
        ("Address", business.address),
        ("Phone", business.phone),
        ("E-mail", business.email),
        ("Website", business.website),
    )
    return [f"{label}: {value}" for label, value in pairs if value]


def fact_documents(business: Business) -> tuple[Document, ...]:
    """Hours, prices and contact details as Markdown, one heading a passage, worded as callers ask for them."""
    documents: list[Document] = []
    if business.hours.known:
        special = business.hours.special_lines()
        weekly = ". ".join(business.hours.weekly_lines())
        text = f"## Opening hours\n\nWe are open at these times. {weekly}.\n"
        if special:
            text += "\n## Holidays and special days\n\nDifferent hours: " + ". ".join(special) + ".\n"
        documents.append(Document("hours", "Opening hours", text))
    if business.prices:
        sections = [
            f"## {price.item}\n\n{price.item}: {price.price}.{f' {price.note}' if price.note else ''}\n"
            for price in business.prices
        ]
        documents.append(Document("prices", "Prices", "# Prices and costs\n\n" + "\n".join(sections)))
    if business.address:
        text = f"## Address and location\n\nOur address is {business.address}.\n"
        documents.append(Document("contact", "Contact", text))
    reach = [line for line in _contact(business) if not line.startswith("Address")]
    if reach:
        text = f"## Phone, e-mail and website\n\nYou can reach {business.name}. {'. '.join(reach)}.\n"
        documents.append(Document("contact", "Contact", text))
    return tuple(documents)
