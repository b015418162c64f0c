"""HTML pages, and pages that a browser saved as one file (MHTML)."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Callable
from email.message import EmailMessage

from selectolax.lexbor import LexborHTMLParser, LexborNode

from aivoice.knowledge.errors import DocumentError
from aivoice.knowledge.formats.model import MAX_CELLS, Gathered, Parsed
from aivoice.knowledge.formats.plain import decoded

# What a visitor does not read as the page's text. Hidden text is left out too: it can only be meant for machines.
_UNREAD = (
    "script, style, noscript, template, svg, nav, header, footer, aside, form, iframe, button, select, [hidden]"
    ', [aria-hidden="true"], [style*="display:none"], [style*="display: none"], [style*="visibility:hidden"]'
)
_BLOCK_NAMES = "p div li ul ol dl dt dd section article main body table tr blockquote pre br hr figure figcaption"
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w-]{3,20})""", re.IGNORECASE)


def html(data: bytes) -> Parsed:
    """The text of <main>, an only <article>, or <body>, by headings; tables row by row."""
    declared = _CHARSET.search(data[:2048])
    try:
        page = data.decode(declared[1].decode()) if declared else decoded(data)
    except (LookupError, UnicodeDecodeError):
        page = decoded(data)
    tree = LexborHTMLParser(page.replace("\x00", " "))
    title = tree.css_first("title")
    name = " ".join(title.text().split())[:300] if title else ""
    heads = [node.html or "" for node in tree.css("header h1")]
    tree.strip_tags(["script", "style", "noscript", "template", "svg", "iframe"], recursive=True)
    for node in tree.css(_UNREAD):
        node.decompose()
    articles = tree.css("article")
    top = tree.css_first("main") or (articles[0] if len(articles) == 1 else tree.body)
    gathered = Gathered()
    for head in heads[:1]:  # a page's own name is often in its <header>
        gathered.add(LexborHTMLParser(head).text(), 1)
    if top is not None:
        _walk(top, gathered)
    return Parsed(name, tuple(gathered.blocks))


def mhtml(data: bytes) -> Parsed:
    """The first HTML part."""
    message = email.message_from_bytes(data, _class=EmailMessage, policy=email.policy.default)
    for part in message.walk():
        if part.get_content_type() == "text/html":
            content = part.get_payload(decode=True)
            if isinstance(content, bytes):
                return html(content)
    raise DocumentError("No page is in the file.", "document_unreadable")


def _walk(top: LexborNode, gathered: Gathered) -> None:
    """Every node once, in order, without recursion: pages can be nested a hundred thousand deep."""
    open_text: list[str] = []
    cells = 0

    def close() -> None:
        gathered.add(" ".join("".join(open_text).split()))
        open_text.clear()

    node: LexborNode | None = top.child
    while node is not None:
        tag, inside = node.tag or "", node.child
        if tag == "-text":
            open_text.append(node.text_content or "")
        elif re.fullmatch(r"h[1-6]", tag):
            close()
            gathered.add(node.text(separator=" "), int(tag[1]))
            inside = None
        elif tag == "table" and (rows := node.css("tr")) and not node.css("table table"):
            close()
            names: list[str] = []
            for at, row in enumerate(rows):
                found = [" ".join(cell.text(separator=" ").split()) for cell in row.css("td, th")]
                cells += len(found)
                if cells > MAX_CELLS:
                    raise DocumentError(f"The page has more than {MAX_CELLS} cells.", "document_too_large")
                if at == 0 and len(rows) > 1 and not row.css("td"):
                    names = found
                else:
                    gathered.row(names, found)
            inside = None
        elif tag in _BLOCKS:
            close()
        if inside is not None:
            node = inside
            continue
        node = _after(node, top, close)
    close()


def _after(node: LexborNode, top: LexborNode, close: Callable[[], None]) -> LexborNode | None:
    """What follows a node that is done, inside `top`; blocks that end there are closed."""
    at: LexborNode | None = node
    while at is not None and at.mem_id != top.mem_id:
        following: LexborNode | None = at.next
        if following is not None:
            return following
        at = at.parent
        if at is not None and at.tag in _BLOCKS:
            close()
    return None
