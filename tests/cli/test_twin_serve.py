import json
import os
import signal
import socket
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.running import ROOT, attractor, running_program
from tests.patience import PATIENCE_S
from tests.prepared import Process

PAYMENTS = ROOT / "examples" / "twins" / "payments"
HELLO = """
name = "hello"
[environ]
HELLO_URL = "{{ url }}"
[[routes]]
path = "/hello"
kind = "fixed"
json = "{{ letters(9) }}"
"""


def serving(*words: str | Path) -> AbstractContextManager[Process]:
    return running_program("twin", "serve", *words)


def described_twins(process: Process) -> list[dict[str, Any]]:
    """Read the JSON description of the served twins."""
    assert process.stdout is not None
    read = ""
    while not read.endswith("\n}\n"):
        line = process.stdout.readline()
        assert line, read
        read += line
    return json.loads(read)["twins"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two services."""
    for name in ("hello", "other"):
        (tmp_path / name).mkdir()
        text = HELLO.replace("hello", name).replace("HELLO", name.upper())
        (tmp_path / name / "twin.toml").write_text(text)
    return tmp_path


def test_used_port_is_refused_with_its_holder(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text('rules = [{ name = "r", answer = { text = "Hi." } }]')
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        for words in (
            ("twin", "serve", str(folder / "hello"), "--port", str(port)),
            ("twin", "llm", "--script", str(script), "--control-port", str(port)),
        ):
            refused = attractor(*words)
            assert refused.returncode == 4
            holder = f"process {os.getpid()} ("
            expected = f"error: port {port} of 127.0.0.1 is in use: {holder}"
            assert refused.stderr.startswith(expected)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_twins_answer_until_interrupted(folder: Path, number: signal.Signals) -> None:
    with serving(folder, PAYMENTS, "--json", "-v") as process:
        hello, other, payments = described_twins(process)
        assert [one["name"] for one in (hello, other, payments)] == ["hello", "other", "payments"]
        assert payments["environ"]["PAYMENTS_KEY"] == "sk_test_twin"
        assert httpx.get(hello["environ"]["HELLO_URL"] + "/hello").status_code == 200
        assert httpx.get(other["url"] + "/nothing").status_code == 404
        token = {"authorization": f"Bearer {other['token']}"}
        asked = httpx.get(other["control_url"] + "/requests", headers=token).json()
        assert [one["path"] for one in asked["requests"]] == ["/nothing"]
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 130
        out, err = process.communicate()
    assert out == ""
    first, second = err.splitlines()
    assert first == "#1 hello GET /hello: 200 'GET /hello'"
    assert second.startswith("#1 other GET /nothing: 404 no route answers GET /nothing; the near")


def test_variables_to_export_are_printed(folder: Path) -> None:
    with serving(folder / "hello", "--quiet", "--seed", "3") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip() for _ in range(4)]
        url = lines[1].removeprefix("  export HELLO_URL=")
        first = httpx.get(url + "/hello").json()
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "")
    assert lines[0] == f"The twin of hello listens at {url}. Set these variables for its clients:"
    assert "Authorization: Bearer" in lines[3]
    with serving(folder / "hello", "--seed", "3", "--json") as process:
        again = described_twins(process)[0]["url"]
        assert httpx.get(again + "/hello").json() == first


def test_recorded_exchanges_are_compared_with_the_twin(tmp_path: Path) -> None:
    file = tmp_path / "recordings" / "today.jsonl"
    with serving(PAYMENTS, "--json") as real:
        url = described_twins(real)[0]["url"]
        words = ("--record", file, "--to", url)
        with serving(PAYMENTS, "--json", "-v", "--keep", "1", *words) as process:
            (found,) = described_twins(process)
            assert found["record"] == {"path": str(file), "service": url}
            # A client that is recorded uses its own key.
            assert list(found["environ"]) == ["PAYMENTS_URL"]
            place, key = found["environ"]["PAYMENTS_URL"], {"authorization": "Bearer sk_test_twin"}
            made = httpx.post(f"{place}/customers", json={"email": "bo@a.example"}, headers=key)
            assert made.status_code == 200
            assert httpx.get(f"{place}/customers", headers=key).status_code == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 130
            lines = process.communicate()[1].splitlines()
    assert lines == [
        "#1 payments POST /v1/customers: 200 'recorded'",
        "#2 payments GET /v1/customers: 200 'recorded'",
        "the log is full: older requests are dropped (limit: --keep)",
    ]
    assert "sk_test_twin" not in file.read_text()
    result = attractor("twin", "check", str(PAYMENTS), str(file), folder=tmp_path)
    assert (result.returncode, result.stdout) == (0, f"{file}: equal, 2 requests\n")


def test_replaying_twin_can_record(tmp_path: Path) -> None:
    route = 'method = "*"\npath = "/{rest...}"\nkind = "replay"\n'
    recordings = 'recordings = ["recordings/*.jsonl"]\nthen = "stay"\n'
    (tmp_path / "twin.toml").write_text(f'name = "s"\n[[routes]]\n{route}{recordings}')
    file = tmp_path / "recordings" / "first.jsonl"
    with serving(PAYMENTS, "--json") as real:
        words = ("--record", file, "--to", described_twins(real)[0]["url"])
        with serving(tmp_path, *words, "--json") as process:
            statuses = [httpx.get(f"{described_twins(process)[0]['url']}/").status_code]
    with serving(tmp_path, "--json") as process:
        statuses.append(httpx.get(f"{described_twins(process)[0]['url']}/").status_code)
    assert statuses == [404, 404]
    assert "x-twin-error" not in file.read_text()


def test_failed_recording_stops_the_twin(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    with serving(PAYMENTS, "--json") as real:
        words = ("--record", file, "--to", described_twins(real)[0]["url"])
        with serving(PAYMENTS, "--json", *words) as process:
            (found,) = described_twins(process)
            file.mkdir()
            with pytest.raises(httpx.TransportError):
                httpx.get(found["url"] + "/status")
            assert process.wait(PATIENCE_S) == 3
            assert "r.jsonl" in process.communicate()[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("hello --to http://a", "--to requires --record"),
        ("hello --record r.jsonl", "--record requires --to"),
        ("hello --record r.jsonl --to a", "invalid address of a service: 'a'"),
        ("hello --record r.json --to http://a", "r.json is not a .jsonl file"),
        (
            "hello --record r.jsonl --to http://a --seed 1",
            "--record cannot be combined with --seed",
        ),
        (". --record r.jsonl --to http://a", "one file cannot record 2 services"),
    ],
)
def test_incomplete_recording_options_exit_with_2(folder: Path, words: str, message: str) -> None:
    result = attractor("twin", "serve", *words.split(), folder=folder)
    assert result.returncode == 2
    assert message in result.stderr
    assert not (folder / "r.jsonl").exists()


def test_invalid_services_exit_with_2(folder: Path) -> None:
    def error_of(*words: str) -> str:
        result = attractor("twin", "serve", *words, folder=folder)
        assert result.returncode == 2
        return result.stderr

    assert "one port cannot serve 2 services" in error_of(".", "--port", "1")
    assert "duplicate service 'hello'" in error_of("hello", "hello/twin.toml")
    other = folder / "other" / "twin.toml"
    other.write_text(HELLO.replace('"hello"', '"other"'))
    assert "duplicate variable 'HELLO_URL'" in error_of(".")
    other.write_text(HELLO.replace("kind", "kinf"))
    assert "other/twin.toml:5: routes[0]: missing kind" in error_of("other")
    assert "missing argument" in error_of()
