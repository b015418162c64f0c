"""E-mail by SMTP (aiosmtplib)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from typing import Literal

import aiosmtplib

from aivoice.tools.errors import DeliveryError
from aivoice.tools.ports import Mail, Now

LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """tls: ``starttls`` (refused where the server offers none), ``tls`` from the first byte, or ``none`` (a server on
    this machine). sender: the From address, ``Name <address>`` or the address alone."""

    host: str
    sender: str
    port: int = 587
    username: str = ""
    password: str = field(default="", repr=False)
    tls: Literal["starttls", "tls", "none"] = "starttls"


class SmtpMailer:
    """`ports.Mailer`: one connection a mail, `LIMIT_S` in all. Holds nothing between mails."""

    def __init__(self, settings: SmtpSettings, *, now: Now, context: ssl.SSLContext | None = None) -> None:
        self._settings, self._now, self._context = settings, now, context

    async def send(self, mail: Mail) -> None:
        """Raises DeliveryError: permanent where the server refuses this mail or its recipient for good (5xx)."""
        settings = self._settings
        try:
            await aiosmtplib.send(
                self._message(mail),
                hostname=settings.host,
                port=settings.port,
                username=settings.username or None,
                password=settings.password or None,
                use_tls=settings.tls == "tls",
                start_tls=settings.tls == "starttls",
                tls_context=self._context,
                timeout=LIMIT_S,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [each.code for each in error.recipients]
            raise _refused(max(codes, default=550), "the recipient") from None
        except aiosmtplib.SMTPAuthenticationError:
            # The operator can mend it: no reason to give the mail up.
            raise DeliveryError("the mail server refuses the user name or password", code="mail_login") from None
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error.code, "the mail") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            text = f"the mail server cannot be used ({type(error).__name__})"
            raise DeliveryError(text, code="mail_server") from None
        except ValueError:
            raise DeliveryError("the mail has an address that is none", code="mail_address", permanent=True) from None

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._settings.sender
        message["To"] = mail.to
        message["Subject"] = " ".join(mail.subject.split())[:200]
        message["Date"] = formatdate(self._now().timestamp())
        message["Message-ID"] = f"<{mail.id}@{self._settings.host}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text.encode("utf-8", "replace").decode())
        return message


def _refused(code: int, what: str) -> DeliveryError:
    return DeliveryError(f"the mail server refuses {what} ({code})", code="mail_refused", permanent=500 <= code < 600)
