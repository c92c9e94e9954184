"""Adapters against their service twins, over real HTTP."""

import inspect
import socket
import ssl
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from attractor.base.json import Json
from attractor.growth import http_client
from attractor.growth.http_client import HttpClient, ServiceFailed
from attractor.growth.tools import adapters
from attractor.llm.json_schema import find_faults
from attractor.twins.server.hosting import in_background
from attractor.twins.services.service import load_service
from attractor.twins.services.service_twin import ServiceTwin
from tests.needs import needs
from tests.tables import table

TWINS = Path(__file__).parents[2] / "scenarios" / "_twins"
REPOSITORY: Mapping[str, Json] = {"owner": "ada", "repo": "farm"}
EVENT: Json = {"id": "event-1", "title": "Delivery", "start": "2026-01-06", "calendar": "farm"}
FILE: Json = {"id": "file-1", "name": "a.txt", "content": "x"}
PAGE = "https://example.org/news"

CALLS: Mapping[str, list[tuple[str, Mapping[str, Json], Json]]] = {
    "github": [
        ("create_issue", {**REPOSITORY, "title": "PHI gate"}, "PHI gate"),
        ("list_issues", REPOSITORY, ["PHI gate"]),
        ("list_issues", {**REPOSITORY, "repo": "other"}, []),
    ],
    "mail": [("send", {"to": ["ada@street.example"], "subject": "s", "body": "x"}, {"sent": True})],
    "slack": [("post_message", {"channel": "farm", "text": "Packed."}, True)],
    "calendar": [
        ("create_event", {"calendar": "farm", "title": "Delivery", "start": "2026-01-06"}, EVENT),
        ("list_events", {"calendar": "farm"}, {"items": [EVENT]}),
    ],
    "drive": [
        ("create_file", {"name": "a.txt", "content": "x"}, FILE),
        ("list_files", {}, {"files": [FILE]}),
    ],
    "web": [
        (
            "fetch_page",
            {"address": PAGE},
            {"address": PAGE, "text": f"The page at {PAGE} has no news."},
        )
    ],
}


@contextmanager
def twin_of(name: str) -> Generator[tuple[str, str]]:
    """Yield address and key of the twin of a service."""
    with in_background(ServiceTwin(load_service(TWINS / name))) as twin:
        values = twin.environ()
        yield values[f"{name.upper()}_URL"], values[f"{name.upper()}_TOKEN"]


def shown(answer: Json) -> Json:
    """Return the part of an answer that a case compares."""
    match answer:
        case {"title": title, "number": _}:
            return title
        case {"ok": ok}:
            return ok
        case [*issues]:
            return [shown(one) for one in issues]
        case _:
            return answer


def test_each_adapter_has_a_twin_and_calls() -> None:
    assert set(adapters()) == set(CALLS) <= {one.name for one in TWINS.iterdir()}


@table("name", list(CALLS))
def test_adapter_and_twin_understand_each_other(name: str) -> None:
    with twin_of(name) as (url, token):
        for operation, given, expected in CALLS[name]:
            schemas = adapters()[name][operation]
            assert not find_faults(dict(given), dict(schemas.input_schema))
            answer = HttpClient(url, token, adapters()[name]).call(operation, given)
            assert not find_faults(answer, dict(schemas.output_schema))
            assert shown(answer) == expected
    assert {one for one, _, _ in CALLS[name]} == set(adapters()[name])


def test_wrong_key_and_silence_are_errors_without_values_of_the_input() -> None:
    operations = adapters()["github"]
    with twin_of("github") as (url, token), pytest.raises(ServiceFailed) as refused:
        HttpClient(url, "other", operations).call("list_issues", REPOSITORY)
    assert str(refused.value) == "GET /repos/{owner}/{repo}/issues: status 401"
    with pytest.raises(ServiceFailed, match="no answer"):
        HttpClient(url, token, operations).call("list_issues", REPOSITORY)


@contextmanager
def raw_service(
    body: bytes, *, pause_s: float = 0.0, tls: ssl.SSLContext | None = None, status: str = "200 OK"
) -> Generator[str]:
    """Yield the URL of a service that sends one answer, with a pause after each byte if given."""

    def answer() -> None:
        plain, _ = listener.accept()
        with (
            suppress(OSError),
            tls.wrap_socket(plain, server_side=True) if tls else plain as near,
        ):
            near.recv(65536)
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            near.sendall(head if pause_s else head + body)
            for byte in body if pause_s else b"":
                near.sendall(bytes([byte]))
                sleep(pause_s)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=answer)
        thread.start()
        yield f"{'https://localhost' if tls else 'http://127.0.0.1'}:{listener.getsockname()[1]}"
        thread.join()


def test_redirect_of_a_service_is_not_followed() -> None:
    with twin_of("github") as (inside, token):
        status = f"307 Other\r\nLocation: {inside}/repos/ada/farm/issues"
        with raw_service(b"[]", status=status) as url, pytest.raises(ServiceFailed) as refused:
            HttpClient(url, token, adapters()["github"]).call("list_issues", REPOSITORY)
    assert refused.value.status == 307


def test_slow_nested_and_misled_requests_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "SECONDS", 0.2)
    operations = adapters()["github"]
    with (
        raw_service(b" " * 20, pause_s=0.05) as url,
        pytest.raises(ServiceFailed, match="too late"),
    ):
        HttpClient(url, "t", operations).call("list_issues", REPOSITORY)
    with raw_service(b"[" * 100_000) as url, pytest.raises(ServiceFailed, match="is not JSON"):
        HttpClient(url, "t", operations).call("list_issues", REPOSITORY)
    large = {**REPOSITORY, "title": "x" * (1 << 20)}
    with pytest.raises(ServiceFailed, match="the input has more than"):
        HttpClient("http://127.0.0.1:9", "t", operations).call("create_issue", large)
    misled = {**REPOSITORY, "repo": ".."}
    with pytest.raises(ServiceFailed, match="invalid repo"):
        HttpClient("http://127.0.0.1:9", "t", operations).call("list_issues", misled)


@table("name", list(CALLS))
def test_invalid_input_is_refused_before_its_request(name: str) -> None:
    operations = adapters()[name]
    client = HttpClient("http://127.0.0.1:9", "t", operations)
    for operation, valid, _ in CALLS[name]:
        schema = dict(operations[operation].input_schema)
        values: list[Json] = ["", 5, True, None, ["x"]]
        inputs: list[dict[str, Json]] = [
            {**valid},
            {**valid, "other": "x"},
            *({key: one for key, one in valid.items() if key != left} for left in valid),
            *({**valid, key: value} for key in valid for value in values),
        ]
        for given in inputs:
            with pytest.raises(ServiceFailed) as refused:
                client.call(operation, given)
            is_refused = str(refused.value).startswith(f"{operation}: ")
            assert is_refused == bool(find_faults(given, schema)), given


def test_schemas_of_inputs_have_only_the_keywords_that_the_client_checks() -> None:
    for operation in (one for each in adapters().values() for one in each.values()):
        schema = operation.input_schema
        assert set(schema) <= {"type", "required", "properties", "additionalProperties"}
        for member in schema["properties"].values():
            assert set(member) <= {"type", "minLength", "pattern", "items"}
            assert member["type"] == "string" or not operation.only_reads


def trusted_tls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ssl.SSLContext, Path]:
    """Return the context of a server `localhost`, and the certificate that clients must trust."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    words += ["-nodes", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    for extension in ("subjectAltName=DNS:localhost", "keyUsage=digitalSignature,keyCertSign"):
        words += ["-addext", extension]
    subprocess.run(words, capture_output=True, check=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    uncached = inspect.unwrap(ssl.create_default_context)
    monkeypatch.setattr(ssl, "create_default_context", uncached)
    return tls, certificate


@needs("openssl")
def test_https_service_needs_a_trusted_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate = trusted_tls(tmp_path, monkeypatch)

    def ask(host: str) -> Json:
        with raw_service(b"[]", tls=tls) as url:
            client = HttpClient(url.replace("localhost", host), "t", adapters()["github"])
            return client.call("list_issues", REPOSITORY)

    fault = r"^GET /repos/\{owner\}/\{repo\}/issues: no answer: SSLCertVerificationError$"
    with pytest.raises(ServiceFailed, match=fault):
        ask("localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert ask("localhost") == []
    # The certificate is valid for `localhost` only.
    with pytest.raises(ServiceFailed, match=fault):
        ask("127.0.0.1")
