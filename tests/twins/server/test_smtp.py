"""The SMTP server of a service twin, over a real connection."""

import smtplib
from collections.abc import Generator

import pytest

from attractor.twins.server.smtp import MAX_LETTER, MAX_LINE
from attractor.twins.services.pytest_plugin import StartServiceTwin, service_twin as service_twin
from attractor.twins.services.route import FaultRule
from attractor.twins.services.service_twin import ServiceTwin
from tests.patience import PATIENCE_S

MAIL = """
name = "post"
smtp = "/in"
[environ]
POST = "smtp://127.0.0.1:{{ smtp_port }}"
[auth]
kind = "basic"
key = "someone:sesame-open"
[collections.letters]
id = "l-{{ counter('l') }}"
[[routes]]
method = "POST"
path = "/in"
kind = "create"
collection = "letters"
"""
LETTER = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHi\r\n..\r\n"
ENVELOPE = ("ada@a.example", ["bo@b.example", "cy@c.example"])


@pytest.fixture
def post(service_twin: StartServiceTwin) -> ServiceTwin:
    """A twin that takes letters."""
    return service_twin(MAIL)


@pytest.fixture
def client(post: ServiceTwin) -> Generator[smtplib.SMTP]:
    """A client that signed in."""
    with smtplib.SMTP("127.0.0.1", post.smtp_port, "here", timeout=PATIENCE_S) as client:
        client.login("someone", "sesame-open")
        yield client


def test_letters_are_logged_requests_and_records(post: ServiceTwin, client: smtplib.SMTP) -> None:
    assert post.environ() == {"POST": f"smtp://127.0.0.1:{post.smtp_port}"}
    client.sendmail(*ENVELOPE, LETTER)
    expected = {"from": ENVELOPE[0], "to": ENVELOPE[1], "subject": "Grüße", "body": "Hi\n.."}
    assert post.state == {"letters": {"l-1": {"id": "l-1", **expected}}}
    (request,) = post.requests
    assert (request.body, request.status) == (expected, 201)
    assert "sesame-open" not in str(request.record())
    post.reset()
    assert post.state == {"letters": {}}


def test_faults_decide_the_answer_to_a_letter(post: ServiceTwin, client: smtplib.SMTP) -> None:
    for status, code in ((503, 451), (429, 451), (422, 554)):
        post.arm(FaultRule.model_validate({"kind": "status", "status": status}))
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail(*ENVELOPE, LETTER)
        assert refused.value.smtp_code == code
    post.arm(FaultRule.model_validate({"kind": "hang"}))
    assert client.sock
    client.sock.settimeout(0.2)
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        client.sendmail(*ENVELOPE, LETTER)
    with smtplib.SMTP("127.0.0.1", post.smtp_port, "here", timeout=PATIENCE_S) as other:
        other.login("someone", "sesame-open")
        post.arm(FaultRule.model_validate({"kind": "refused"}))
        with pytest.raises(smtplib.SMTPServerDisconnected, match="closed"):
            other.sendmail(*ENVELOPE, LETTER)


def test_commands_that_are_invalid_or_in_a_wrong_order_are_refused(client: smtplib.SMTP) -> None:
    found = [
        (command, client.docmd(command)[0])
        for command in (
            "RCPT TO:<a@b.example>",
            "DATA",
            "MAIL FROM:a b",
            f"MAIL FROM:<a@b.example> SIZE={MAX_LETTER + 1}",
            "AUTH LOGIN",
            "AUTH PLAIN x",
            "VRFY a",
            "MAIL FROM:<a@b.example>",
            "RSET",
            "DATA",
            "NOOP",
        )
    ]
    codes = [503, 503, 501, 552, 504, 501, 500, 250, 250, 503, 250]
    assert [code for _, code in found] == codes, found


def test_letters_without_a_password_and_too_large_ones_are_refused(
    post: ServiceTwin, client: smtplib.SMTP
) -> None:
    with smtplib.SMTP("127.0.0.1", post.smtp_port, "here", timeout=PATIENCE_S) as stranger:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            stranger.login("someone", "x")
        assert stranger.mail("a@b.example")[0] == 530
    client.mail("a@b.example")
    client.rcpt("b@b.example")
    assert client.data(b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * (MAX_LETTER // 70))[0] == 552
    client.mail("a@b.example")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.docmd("RCPT", "TO:<" + "b" * MAX_LINE + ">")
    assert not post.requests
