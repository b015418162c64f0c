"""What is wrong with a document, told without a word of it."""

from __future__ import annotations

from aivoice.errors import InputError

_STATUS = {"document_too_large": 413, "document_zip_bomb": 413, "document_type_unknown": 415}


class DocumentError(InputError):
    """A document that cannot become knowledge; nothing of it was stored.

    Codes: document_empty, document_no_text, document_name_invalid, document_too_large, document_zip_bomb,
    document_encrypted, document_unreadable, document_type_unknown, document_too_slow, knowledge_full.
    status: 413, 415, or 422.
    """

    code, stage = "document_unreadable", "knowledge"

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, code=code)
        self.status = _STATUS.get(code, 422)
