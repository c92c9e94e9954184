"""Letters by e-mail, through an SMTP server.

The query of the URL has the sender: `smtp://mail.example:587?sender=street@mail.example`. The token
is `user:password`, or `:` if the server asks for none. No letter is sent a second time: if the
connection ends after the server got a letter, the operation fails, and its message says so.
"""

import re
import smtplib
import socket
import ssl
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from ipaddress import ip_address
from typing import Any, NoReturn
from urllib.parse import SplitResult, parse_qsl

from attractor.growth.http_client import Operation, ServiceFailed

SECONDS = 8.0
"""The time limit of a letter: shorter than that of the app, which is told the reason then."""
MOST_RECIPIENTS = 20
MOST_BODY_BYTES = 256 * 1024
MOST_SUBJECT = 200

ADDRESS = re.compile(
    r"(?=.{3,254}$)(?!-)(?=[^@]{1,64}@)[A-Za-z0-9_+'=#~&-]+(\.[A-Za-z0-9_+'=#~&-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
# Control characters, surrogates, line and paragraph separators.
_NOT_IN_HEADERS = frozenset({"Cc", "Cs", "Zl", "Zp"})


class _Letter:
    """A letter that is safe to send; the input is refused otherwise."""

    def __init__(self, sender: str, given: Mapping[str, Any]) -> None:
        self.sender = sender
        self.to: Sequence[str] = given["to"]
        subject, body = given["subject"], given["body"]
        _require(ADDRESS.fullmatch(sender), "invalid sender: write NAME@DOMAIN")
        _require(1 <= len(self.to) <= MOST_RECIPIENTS, f"to needs 1 to {MOST_RECIPIENTS} addresses")
        for number, address in enumerate(self.to, 1):
            is_address = ADDRESS.fullmatch(address)
            _require(is_address, f"invalid to: address {number} is not NAME@DOMAIN")
        is_line = not any(unicodedata.category(one) in _NOT_IN_HEADERS for one in subject)
        _require(is_line, "invalid subject: it has a line break or a control character")
        _require(len(subject) <= MOST_SUBJECT, f"subject has more than {MOST_SUBJECT} characters")
        try:
            size = len(body.encode())
        except UnicodeEncodeError:
            _refuse("invalid body: it has half of a character")
        _require(size <= MOST_BODY_BYTES, f"body has more than {MOST_BODY_BYTES} bytes")
        self.content = self._content(subject, body)

    def _content(self, subject: str, body: str) -> bytes:
        message = EmailMessage()
        message["From"] = self.sender
        message["To"] = ", ".join(self.to)
        message["Subject"] = subject
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self.sender.partition("@")[2])
        # Answering machines do not answer such a letter.
        message["Auto-Submitted"] = "auto-generated"
        # Each line becomes short and ASCII, which every server accepts.
        message.set_content(body, cte="quoted-printable")
        # A line that is a dot alone would end the letter.
        return re.sub(rb"(?m)^\.", b"..", message.as_bytes(policy=SMTP))


def _require(is_met: object, fault: str) -> None:
    if not is_met:
        _refuse(fault)


def _refuse(fault: str) -> NoReturn:
    raise ServiceFailed(f"send: {fault}", 400)


class _Connection(smtplib.SMTP):
    """A connection to the server of a URL, which another thread may abort."""

    def __init__(self, url: SplitResult) -> None:
        # The default would be the name of this machine.
        super().__init__(local_hostname="[127.0.0.1]")
        self._url = url
        self._host_name = url.hostname or ""
        self.is_late = False
        self.may_have_sent = False

    def open(self, token: str) -> None:
        """Connect, with TLS unless the server is a plain one of this machine, and sign in."""
        is_tls = self._url.scheme == "smtps"
        port = self._url.port or (465 if is_tls else 587)
        self.sock = socket.create_connection((self._host_name, port), SECONDS)
        # Longer than the limit of the letter, which then decides the name of the fault.
        self.sock.settimeout(2 * SECONDS)
        if is_tls:
            self._secure()
        self._expect(2, "greeting", self.getreply()[0])
        self._expect(2, "EHLO", self.ehlo()[0])
        if not is_tls and self.has_extn("starttls"):
            self._expect(2, "STARTTLS", self.docmd("STARTTLS")[0])
            self._secure()
            self._expect(2, "EHLO", self.ehlo()[0])
        elif not is_tls and not _is_loopback(self._host_name):
            _fail("the server offers no STARTTLS")
        user, _, password = token.partition(":")
        if user and not self.has_extn("auth"):
            _fail("the server offers no sign-in")
        if user:
            self.login(user, password)

    def send_letter(self, letter: _Letter) -> None:
        """Send a letter to all of its recipients, or to none if one of them is refused."""
        size = [f"size={len(letter.content)}"] if self.has_extn("size") else []
        self._expect(2, "MAIL", self.mail(letter.sender, size)[0])
        for address in letter.to:
            self._expect(2, "RCPT", self.rcpt(address)[0])
        self._expect(3, "DATA", self.docmd("DATA")[0])
        self.may_have_sent = True
        self.send(letter.content + b".\r\n")
        code = self.getreply()[0]
        if code // 100 == 2:
            return
        self.may_have_sent = code < 100  # not an answer of SMTP
        self._expect(2, "letter", code)

    def abort(self) -> None:
        """End the answer in flight; another thread calls this."""
        self.is_late = True
        if self.sock is not None:
            # The method of a TLS socket would change the state that the other thread reads with.
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def _secure(self) -> None:
        context = ssl.create_default_context()
        assert self.sock is not None
        self.sock = context.wrap_socket(
            self.sock, server_hostname=self._host_name, do_handshake_on_connect=False
        )
        # An answer that was sent before the handshake is not read after it.
        self.file = None
        self.sock.do_handshake()

    def _expect(self, first_digit: int, command: str, code: int) -> None:
        if self.is_late or code < 100:
            raise smtplib.SMTPServerDisconnected("no answer")
        if code // 100 != first_digit:
            _fail(f"{command}: status {code}")


def _fail(fault: str) -> NoReturn:
    raise ServiceFailed(f"SMTP: not sent: {fault}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def send_by_smtp(url: SplitResult, token: str, given: Mapping[str, Any]) -> bytes:
    """Send a letter once, and return the answer as JSON."""
    letter = _Letter(dict(parse_qsl(url.query)).get("sender", ""), given)
    connection = _Connection(url)
    # The time limit of a socket is for each piece of an answer, not for the whole.
    timer = threading.Timer(SECONDS, connection.abort)
    timer.start()
    try:
        connection.open(token)
        connection.send_letter(letter)
        with suppress(OSError):
            connection.putcmd("QUIT")
    except smtplib.SMTPAuthenticationError as error:
        _fail(f"AUTH: status {error.smtp_code}")
    except (OSError, ValueError) as error:
        kind = "too late" if connection.is_late else type(error).__name__
        if connection.may_have_sent:
            fault = f"the letter may have been sent, and is not sent again: no answer: {kind}"
            raise ServiceFailed(f"SMTP: {fault}") from error
        _fail(f"no answer: {kind}")
    finally:
        timer.cancel()
        connection.close()
    return b'{"sent": true}'


part = {
    "send": Operation(
        "POST",
        "/letters",
        {
            "type": "object",
            "required": ["to", "subject", "body"],
            "properties": {
                "to": {"type": "array", "items": {"type": "string"}},
                "subject": {"type": "string", "minLength": 1},
                "body": {"type": "string"},
            },
            "additionalProperties": False,
        },
        {
            "type": "object",
            "required": ["sent"],
            "properties": {"sent": {"const": True}},
        },
        transport=send_by_smtp,
    ),
}
