"""The command serves until Ctrl-C, signs a browser in by URL, and keeps secrets."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.cli.running import attractor
from tests.patience import PATIENCE_S
from tests.pipeline.projects import make_project
from tests.prepared import Process, begin_prepared


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git project, with its state folder beside it."""
    return make_project(tmp_path / "project")


def variables_of(project: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(project.parent),
        "LANG": "C.UTF-8",
        "ATTRACTOR_STATE_DIR": str(project.parent / "state"),
        "LOCAL_API_KEY": "a-very-secret-value",
    }


@contextmanager
def served(project: Path, *options: str) -> Generator[tuple[Process, str, str]]:
    """Serve until the block ends; yield the process, its URL, and the sign-in URL for browsers."""
    pipe = subprocess.PIPE
    server = begin_prepared(
        ["serve", "--port", "0", *options],
        folder=project,
        variables=variables_of(project),
        stdout=pipe,
        stderr=pipe,
    )
    try:
        assert server.stdout
        first = server.stdout.readline()
        if "--json" in options:
            yield server, *json.loads(first).values()
        else:
            yield server, first.split()[-1], server.stdout.readline().split()[-1]
    finally:
        server.kill()
        server.wait(PATIENCE_S)
        for one in (server.stdout, server.stderr):
            assert one
            one.close()


def test_browser_signs_in_by_a_name_that_other_programs_do_not_know(project: Path) -> None:
    with served(project, "--json") as (server, url, login):
        address = urlsplit(login)
        assert address.hostname
        assert address.hostname.endswith(".localhost")
        with httpx.Client(base_url=url, headers={"host": address.netloc}) as browser:
            signed_in = browser.get(f"{address.path}?{address.query}")
            assert signed_in.status_code == 303
            shown = browser.get("/no/a-very-secret-value", params={"code": "a-code"})
            assert shown.status_code == 404
            server.send_signal(signal.SIGINT)
            out, err = server.communicate(timeout=PATIENCE_S)
        assert server.returncode == 130
        assert json.loads(out)["error"]["kind"] == "Interrupted"
    with served(project) as (_, _, again):
        assert urlsplit(again).hostname == address.hostname
    lines = [json.loads(one) for one in err.splitlines()]
    assert [(one["status"], one["path"]) for one in lines] == [
        (303, "/login"),
        (404, "/no/***"),
    ]
    secrets = (address.query.removeprefix("code="), browser.cookies["attractor"], "a-code")
    assert not any(one in err for one in secrets)


def test_other_machines_are_warned_about(project: Path) -> None:
    with served(project, "--host", "0.0.0.0", "--allow-host", "Here.example") as (server, url, at):
        port = urlsplit(url).port
        assert urlsplit(at).hostname == socket.gethostname().lower()
        for name, status in [("here.example", 401), ("127.0.0.1", 401), ("evil.example", 403)]:
            headers = {"host": f"{name}:{port}"}
            assert httpx.get(f"http://127.0.0.1:{port}/", headers=headers).status_code == status
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=PATIENCE_S)
    assert "other machines can connect to 0.0.0.0" in err.splitlines()[0]
    assert " 403 GET / " in err
    assert "was sent to an unknown host" in err


def test_port_in_use_is_an_error(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = attractor(
            "serve", "--port", str(port), folder=project, variables=variables_of(project)
        )
    assert (ended.returncode, ended.stdout) == (4, "")
    name = Path("/proc/self/comm").read_text().strip()
    assert ended.stderr == (
        f"error: port {port} of 127.0.0.1 is in use: process {os.getpid()} ({name}) "
        "(use another port, or 0)\n"
    )


def test_port_of_another_server_is_refused_with_its_project(project: Path) -> None:
    with served(project) as (server, url, _):
        port = str(urlsplit(url).port)
        ended = attractor("serve", "--port", port, folder=project, variables=variables_of(project))
    assert ended.returncode == 4
    assert f"is in use: 'attractor serve' of {project} (process {server.pid})" in ended.stderr


def test_server_ended_by_sigterm_prints_the_interruption_as_json(project: Path) -> None:
    with served(project, "--json") as (server, _, _):
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=PATIENCE_S)
    assert (server.returncode, err) == (130, "")
    assert json.loads(out)["error"]["exit_code"] == 130
