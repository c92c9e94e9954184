"""Letters of the adapter mail: over real SMTP to its twin, and to servers that fail."""

import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Thread
from typing import cast

import pytest
from anyio import to_thread
from httpx import AsyncClient

from attractor.base.json import Json
from attractor.growth.adapters import mail
from attractor.growth.apps.process import app_sandbox, running_app
from attractor.growth.http_client import HttpClient, ServiceFailed
from attractor.growth.specification.document import read_document
from attractor.growth.specification.files import write_spec
from attractor.growth.tools import copied_adapters
from attractor.twins.server.hosting import in_background
from attractor.twins.services.service import load_service
from attractor.twins.services.service_twin import ServiceTwin
from tests.growth.apps.small_app import write_with_bodies
from tests.growth.test_adapters import TWINS, trusted_tls
from tests.needs import needs
from tests.tables import table

LETTER: Mapping[str, Json] = {"to": ["ada@street.example"], "subject": "The drill", "body": "x"}
SPEC = read_document(
    """
identity: {purpose: Lend tools}
evidence_policy: {sources: [Mail]}
data_contracts: {entities: [{name: Loan, fields: [tool]}]}
workflows: {pipelines: [{name: Daily, steps: [{name: Remind, reads: [Loan], writes: [Mail]}]}]}
"""
)

BODY = {
    "steps/remind": """
    for one in records['loan']:
        letter = {'to': ['ada@street.example'], 'subject': one['tool'], 'body': 'Is due.'}
        context.call('mail', 'send', letter)
    return {}"""
}


@contextmanager
def mail_twin() -> Generator[ServiceTwin]:
    """Yield the shipped twin."""
    with in_background(ServiceTwin(load_service(TWINS / "mail"))) as twin:
        yield twin


def send(variables: Mapping[str, str], given: Mapping[str, Json]) -> Json:
    """Send a letter with the variables of an app."""
    client = HttpClient(variables["MAIL_URL"], variables["MAIL_TOKEN"], mail.part)
    return client.call("send", given)


def outcome(variables: Mapping[str, str]) -> str:
    """Return the answer to a letter, or the fault."""
    try:
        return str(send(variables, LETTER))
    except ServiceFailed as error:
        return str(error)


def letters(twin: ServiceTwin) -> list[Mapping[str, Json]]:
    """Return the letters that a twin has."""
    return list(cast("Mapping[str, Mapping[str, Json]]", twin.state["letters"]).values())


BODIES = [
    ".",
    "a\n.\nb",
    "..\n.x\n...",
    "\r\n.\r\nMAIL FROM:<eve@street.example>\r\nRCPT TO:<all@street.example>\r\nDATA\r\n",
    "Bcc: all@street.example\n\nGrüße, 😀 \x00\x0b\x0c\x85\u2028 end ",
    "From the street\rtwo\n\n",
    "x" * 100_000,
    "ü" * (mail.MOST_BODY_BYTES // 2),
    "",
]


def test_each_body_arrives_as_it_is_in_one_letter() -> None:
    with mail_twin() as twin:
        for number, body in enumerate(BODIES, 1):
            assert send(twin.environ(), {**LETTER, "body": body}) == {"sent": True}
            assert len(letters(twin)) == number
            arrived = letters(twin)[-1]
            expected = re.sub("\r\n|\r", "\n", body).removesuffix("\n")
            assert arrived["body"] == expected, body[:40]
        many: list[Json] = [f"n{number}@street.example" for number in range(mail.MOST_RECIPIENTS)]
        subject = "Grüße an alle, " * 13
        send(twin.environ(), {"to": many, "subject": subject.strip(), "body": "x"})
        last = letters(twin)[-1]
        assert (last["from"], last["to"]) == ("app@mail.example", many)
        assert last["subject"] == subject.strip()


ADA = "ada@street.example"
ADDRESSES: list[Json] = [
    "",
    "eve",
    "eve@street",
    "a@b@street.example",
    f"{ADA},eve@street.example",
    f"{ADA}\r\nRCPT TO:<eve@street.example>",
    f"{ADA}\n",
    "Eve <eve@street.example>",
    "<eve@street.example>",
    "-oQ/tmp@street.example",
    "eve%other.example@street.example",
    '"eve"@street.example',
    "eve@[127.0.0.1]",
    "eve@street..example",
    "eve@-street.example",
    "éve@street.example",
    "e" * 65 + "@street.example",
    "e@" + "street." * 40 + "example",
]
NO_LISTS: list[Json] = [ADA, [5], [None], [[ADA]]]
INVALID: list[tuple[Mapping[str, Json], str]] = [
    *(
        ({"subject": f"a{mark}Bcc: eve@street.example"}, "invalid subject: it has a line break")
        for mark in ("\r\n", "\n", "\r", "\x00", "\x0b", "\x85", "\u2028", "\ud800")
    ),
    ({"subject": "x" * 201}, "subject has more than 200 characters"),
    ({"subject": ""}, "invalid subject"),
    *(
        ({"to": [ADA, address]}, "invalid to: address 2 is not NAME@DOMAIN")
        for address in ADDRESSES
    ),
    ({"to": []}, "to needs 1 to 20 addresses"),
    ({"to": list[Json]([ADA] * 21)}, "to needs 1 to 20 addresses"),
    *(({"to": to}, "invalid to (schema") for to in NO_LISTS),
    ({"body": "x" * (mail.MOST_BODY_BYTES + 1)}, "body has more than 262144 bytes"),
    ({"body": "\ud800"}, "invalid body: it has half of a character"),
    ({"host": "other.example"}, "unknown host"),
    ({"from": "eve@street.example"}, "unknown from"),
]


def test_letters_that_could_be_read_otherwise_are_refused_before_a_connection() -> None:
    nobody = {"MAIL_URL": "smtp://127.0.0.1:9?sender=app@mail.example", "MAIL_TOKEN": ":"}
    for change, fault in INVALID:
        with pytest.raises(ServiceFailed) as refused:
            send(nobody, {**LETTER, **change})
        assert str(refused.value).startswith(f"send: {fault}"), change
        assert (refused.value.status, ADA in str(refused.value)) == (400, False)
    for sender in ("", "app", "app@mail.example%0d%0aBcc: eve@street.example"):
        with pytest.raises(ServiceFailed, match="^send: invalid sender"):
            send({**nobody, "MAIL_URL": f"smtp://127.0.0.1:9?sender={sender}"}, LETTER)


@contextmanager
def raw_server(answers: Sequence[str], address: str = "127.0.0.1") -> Generator[str]:
    """Yield the URL of a server with an answer to each command, which then closes its connection.

    It sends no answer in the place of an empty one, and waits for the end of the client.
    """

    def serve() -> None:
        connection, _ = listener.accept()
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            last = ""
            for number, answer in enumerate(answers):
                if number:
                    while lines.readline() != b".\r\n" and last.startswith("354"):
                        pass
                last = answer
                connection.sendall(f"{answer}\r\n".encode() if answer else b"")
                if not answer:
                    lines.read()
            if last.startswith("354"):
                while lines.readline() not in (b".\r\n", b""):
                    pass

    with socket.create_server((address, 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        yield f"smtp://{address}:{listener.getsockname()[1]}?sender=app@mail.example"
        thread.join()
        # No letter is sent a second time.
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


GREETED = ["220 hello", "250 hello"]
ADDRESSED = [*GREETED, "250 ok", "250 ok"]
UNCLEAR = "SMTP: the letter may have been sent, and is not sent again: no answer: "
SERVERS: Mapping[str, tuple[list[str], str]] = {
    "silent": ([""], "SMTP: not sent: no answer: too late"),
    "closes at once": ([], "SMTP: not sent: no answer: "),
    "other protocol": (["HTTP/1.1 400 Bad Request"], "SMTP: not sent: no answer: "),
    "refuses clients": (["554 no"], "SMTP: not sent: greeting: status 554"),
    "refuses senders": ([*GREETED, "550 no"], "SMTP: not sent: MAIL: status 550"),
    "refuses a recipient": ([*GREETED, "250 ok", "550 no"], "SMTP: not sent: RCPT: status 550"),
    "refuses letters": ([*ADDRESSED, "452 full"], "SMTP: not sent: DATA: status 452"),
    "refuses the letter": ([*ADDRESSED, "354 go", "554 no"], "SMTP: not sent: letter: status 554"),
    "closes after the letter": ([*ADDRESSED, "354 go"], UNCLEAR),
    "silent after the letter": ([*ADDRESSED, "354 go", ""], f"{UNCLEAR}too late"),
    "babbles after the letter": ([*ADDRESSED, "354 go", "thanks"], UNCLEAR),
}


@table("name", list(SERVERS))
def test_failure_says_whether_the_letter_may_have_been_sent(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, fault = SERVERS[name]
    if fault.endswith("too late"):
        monkeypatch.setattr(mail, "SECONDS", 1.5)
    with raw_server(answers) as url:
        found = outcome({"MAIL_URL": url, "MAIL_TOKEN": ":"})
    assert found.startswith(fault)


def test_password_and_letter_go_only_to_an_encrypted_server_or_to_this_machine() -> None:
    with raw_server(GREETED, "0.0.0.0") as url, pytest.raises(ServiceFailed) as refused:
        send({"MAIL_URL": url, "MAIL_TOKEN": "ada:secret"}, LETTER)
    assert str(refused.value) == "SMTP: not sent: the server offers no STARTTLS"
    with raw_server(GREETED) as url:
        found = outcome({"MAIL_URL": url, "MAIL_TOKEN": "ada:secret"})
    assert found == "SMTP: not sent: the server offers no sign-in"
    with mail_twin() as twin:
        for token, fault in (("twin-mail:x", "AUTH: status 535"), (":", "MAIL: status 530")):
            with pytest.raises(ServiceFailed, match=f"^SMTP: not sent: {fault}$"):
                send({**twin.environ(), "MAIL_TOKEN": token}, LETTER)
        assert letters(twin) == []


@contextmanager
def tls_server(tls: ssl.SSLContext, injected: bytes = b"") -> Generator[tuple[str, list[bytes]]]:
    """Yield the URL of a server with STARTTLS, and the commands that it gets after it.

    The server sends injected bytes with its last plain answer.
    """
    commands: list[bytes] = []

    def serve() -> None:
        plain, _ = listener.accept()
        with suppress(OSError), plain:
            plain.sendall(b"220 hello\r\n")
            plain.recv(1000)
            plain.sendall(b"250-hello\r\n250 STARTTLS\r\n")
            plain.recv(1000)
            plain.sendall(b"220 go\r\n" + injected)
            with tls.wrap_socket(plain, server_side=True) as safe:
                while command := safe.recv(1000):
                    commands.append(command)
                    safe.sendall(b"354 go\r\n" if command == b"DATA\r\n" else b"250 ok\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        yield f"smtp://localhost:{port}?sender=app@mail.example", commands
        thread.join()


@needs("openssl")
def test_encrypted_server_needs_a_trusted_certificate_and_gets_no_plain_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate = trusted_tls(tmp_path, monkeypatch)
    for host in ("localhost", "127.0.0.1"):
        with (
            tls_server(tls) as (url, commands),
            pytest.raises(ServiceFailed, match="not sent: no answer: SSLCertVerificationError"),
        ):
            send({"MAIL_URL": url.replace("localhost", host), "MAIL_TOKEN": ":"}, LETTER)
        assert commands == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with tls_server(tls, injected=b"554 no\r\n") as (url, commands):
        assert "554" not in outcome({"MAIL_URL": url, "MAIL_TOKEN": ":"})
    with tls_server(tls) as (url, commands):
        assert send({"MAIL_URL": url, "MAIL_TOKEN": ":"}, LETTER) == {"sent": True}
    assert commands[0].startswith(b"ehlo")
    assert commands[1].lower().startswith(b"mail from:<app@mail.example>")


@pytest.mark.anyio
async def test_app_in_a_sandbox_sends_letters_without_the_password(tmp_path: Path) -> None:
    tree = write_with_bodies(SPEC, tmp_path / "tree", BODY)
    write_spec(SPEC, tree)
    async with (
        ServiceTwin(load_service(TWINS / "mail")) as twin,
        running_app(
            tree,
            tmp_path / "state",
            sandbox=await app_sandbox({}, hide=[]),
            services=lambda _tree, _seed: nullcontext(twin.environ()),
        ) as app,
        AsyncClient(base_url=app.url, headers={"accept": "application/json"}) as client,
    ):
        (await client.post("/data/loan", json={"id": "1", "tool": "The drill"})).raise_for_status()
        (await client.post("/run/daily")).raise_for_status()
        assert [one["subject"] for one in letters(twin)] == ["The drill"]
        injected = {"id": "2", "tool": "x\r\nBcc: eve@street.example"}
        (await client.post("/data/loan", json=injected)).raise_for_status()
        failed = await client.post("/run/daily")
    assert failed.status_code == 502
    assert "step remind: mail: send: invalid subject" in failed.text
    assert all(one["subject"] == "The drill" for one in letters(twin))


@pytest.mark.anyio
async def test_copied_adapter_sends_letters_without_a_gateway(tmp_path: Path) -> None:
    for path, text in copied_adapters(["mail"]).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    async with ServiceTwin(load_service(TWINS / "mail")) as twin:
        assert json.loads(await _run_copied(tmp_path, twin.environ(), LETTER)) == {"sent": True}
        assert len(letters(twin)) == 1


async def _run_copied(tree: Path, variables: Mapping[str, str], given: Mapping[str, Json]) -> str:
    """Send a letter by the adapter of the app in a tree; return the answer or the fault."""
    program = f"""
import json, sys
sys.path.insert(0, {str(tree)!r})
from app.adapters.http_client import HttpClient, ServiceFailed
from app.adapters.mail import part
try:
    client = HttpClient({variables["MAIL_URL"]!r}, {variables["MAIL_TOKEN"]!r}, part)
    print(json.dumps(client.call("send", json.loads({json.dumps(given)!r}))))
except ServiceFailed as error:
    print(error)
"""
    command = [sys.executable, "-I", "-c", program]
    ran = await to_thread.run_sync(
        lambda: subprocess.run(command, capture_output=True, text=True, check=True)
    )
    return ran.stdout.strip()
