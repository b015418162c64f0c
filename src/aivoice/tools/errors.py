"""What can go wrong with tools and deliveries. Messages name tools, hosts and fields; never values or secrets."""

from __future__ import annotations

from aivoice.errors import VoiceError


class ToolError(VoiceError):
    """A tool surely did nothing (or is read-only), and here is why.

    again: the connection was never made, so that the very same request may be sent again, side effects or not.
    """

    code, stage, status = "tool_failed", "tool", 502
    retryable = True

    def __init__(
        self, message: str, *, code: str | None = None, retryable: bool | None = None, again: bool = False
    ) -> None:
        super().__init__(message, code=code, retryable=retryable)
        self.again = again


class AddressError(VoiceError):
    """A URL that this installation does not connect to. The message says which rule, and names no resolved address:
    a tenant must not learn what a name means inside the operator's network."""

    code, stage, status = "address_refused", "tool", 422


class ToolShapeError(VoiceError):
    """A definition of a tool, a webhook or an MCP server is wrong; the message names the member."""

    code, stage, status = "tool_invalid", "tool", 422


class DeliveryError(VoiceError):
    """One attempt to deliver failed. permanent: the next one would too (the receiver refuses it for good)."""

    code, stage, status = "delivery_failed", "delivery", 502
    retryable = True

    def __init__(self, message: str, *, code: str | None = None, permanent: bool = False) -> None:
        super().__init__(message, code=code, retryable=not permanent)
        self.permanent = permanent
