"""Logins: allowed by a person, added by the model proxy, unknown in the sandbox."""

import asyncio
import json
import os
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from attractor.backends.model_proxy import offer_models
from attractor.base.errors import UnknownName
from attractor.config.logins import AllowedLogins, Login
from attractor.environments.local import LocalExecutionEnvironment
from tests.cli.running import attractor
from tests.pipeline.projects import git, make_project
from tests.tables import table

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
TOKEN = "sk-ant-oat01-a-token-that-nobody-else-has"


def test_nothing_is_allowed_until_a_person_allows_it(tmp_path: Path) -> None:
    logins = AllowedLogins(tmp_path / "state")
    environ = {"CLAUDE_CODE_OAUTH_TOKEN": f" {TOKEN}\n"}
    assert logins.usable(environ) == {}
    logins.allow("claude", by="ann", now=NOW)
    assert logins.all() == {"claude": "ann, 2026-01-02 03:04"}
    assert logins.usable(environ)["claude"].token == TOKEN
    assert logins.usable({"HOME": str(tmp_path)}) == {}
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / ".credentials.json").write_text("{}")
    found = logins.usable({"HOME": str(tmp_path)})["claude"]
    assert (found.token, found.file.parent.name) == ("", ".claude")
    logins.forbid("claude")
    assert logins.usable(environ) == {}
    with pytest.raises(UnknownName):
        logins.allow("gemini", by="ann", now=NOW)


@table("program", ["agent", "prompt", "codex"])
def test_login_of_one_program_is_used_by_no_other(tmp_path: Path, program: str) -> None:
    project = make_project(tmp_path / "project")
    node = "" if program == "prompt" else f", backend={program}"
    kind = "type=prompt" if program == "prompt" else "shape=box"
    (project / "pipeline.dot").write_text(
        f"digraph {{ start [shape=Mdiamond]; exit [shape=Msquare]; "
        f'one [{kind}, prompt="-"{node}]; start -> one -> exit }}'
    )
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "ATTRACTOR_STATE_DIR": str(tmp_path / "state"),
        "CLAUDE_CODE_OAUTH_TOKEN": TOKEN,
    }
    AllowedLogins(tmp_path / "state").allow("claude", by="ann", now=NOW)
    words = ("run", "pipeline.dot", "--model", "claude-opus-4-6")
    refused = attractor(*words, folder=project, variables=variables)
    assert refused.returncode == 2
    assert ("ANTHROPIC_API_KEY" in refused.stderr) == (program != "codex"), refused.stderr


def test_tokens_in_the_file_of_an_allowed_login_are_redacted(tmp_path: Path) -> None:
    file = tmp_path / ".codex" / "auth.json"
    file.parent.mkdir()
    tokens = {"access_token": "the-access-token", "refresh_token": "the-renewal-token"}
    file.write_text(json.dumps({"tokens": tokens, "auth_mode": "chatgpt"}))
    logins, environ = AllowedLogins(tmp_path / "state"), {"HOME": str(tmp_path)}
    assert [*logins.secrets(environ)] == []
    logins.allow("codex", by="ann", now=NOW)
    assert [*logins.secrets(environ)] == ["the-access-token", "the-renewal-token"]
    project = make_project(tmp_path / "project")
    (project / "pipeline.dot").write_text(
        "digraph { start [shape=Mdiamond]; exit [shape=Msquare]; "
        f'one [shape=parallelogram, tool_command="cat {file}"]; start -> one -> exit }}'
    )
    state = {"ATTRACTOR_STATE_DIR": str(tmp_path / "state"), "PATH": os.environ["PATH"]}
    words = ("run", "pipeline.dot", "--sandbox", "none")
    done = attractor(*words, folder=project, variables={**environ, **state})
    assert done.returncode == 0, done.stderr
    written = [one.read_text("utf-8", "replace") for one in project.rglob("*") if one.is_file()]
    assert any("chatgpt" in text for text in written)
    assert not [text for text in written for token in tokens.values() if token in text]


class Echo(BaseHTTPRequestHandler):
    """A provider that repeats the headers of a request, as an error may."""

    def do_POST(self) -> None:
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_proxy_adds_the_token_in_place_of_a_placeholder(tmp_path: Path) -> None:
    login, seen = Login("claude", TOKEN, tmp_path, tmp_path), list[str]()

    async def ask(url: str) -> str:
        environ = {"ANTHROPIC_BASE_URL": url}
        place = LocalExecutionEnvironment(tmp_path, environ={})
        async with offer_models("anthropic", environ, place, login=login) as access:
            given = dict(access.variables)
            assert given.keys() == {"ANTHROPIC_BASE_URL", "CLAUDE_CODE_OAUTH_TOKEN"}
            headers = {
                "authorization": f"Bearer {given['CLAUDE_CODE_OAUTH_TOKEN']}",
                "anthropic-beta": "oauth-2025-04-20",
            }
            place_of_call = f"{given['ANTHROPIC_BASE_URL']}/v1/messages"
            async with httpx.AsyncClient() as client:
                other = await client.post(place_of_call, json={}, headers={"x-api-key": "other"})
                assert other.status_code == 401
                answer = await client.post(place_of_call, json={}, headers=headers)
                seen.append(str(given))
                return answer.text

    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        echoed = asyncio.run(ask(f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
    headers = {name.lower(): value for name, value in json.loads(echoed).items()}
    # The provider got the token, which is hidden where an answer repeats it.
    assert headers["authorization"] == f"Bearer {'*' * len(TOKEN)}"
    assert headers["anthropic-beta"] == "oauth-2025-04-20"
    assert "x-api-key" not in headers
    assert TOKEN not in echoed + str(seen)


def test_command_without_a_key_names_the_login_and_uses_it_once_allowed(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (tmp_path / "bin").mkdir()
    claude = tmp_path / "bin" / "claude"
    claude.write_text("#!/bin/sh\necho $CLAUDE_CODE_OAUTH_TOKEN > token.txt\n")
    claude.chmod(0o755)
    variables = {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "ATTRACTOR_STATE_DIR": str(tmp_path / "state"),
        "CLAUDE_CODE_OAUTH_TOKEN": TOKEN,
    }
    judge = ("judge", "--", "claude", "-p", "Do it.")
    refused = attractor(*judge, folder=project, variables=variables)
    assert refused.returncode == 2
    assert "attractor login allow claude" in refused.stderr
    allowed = attractor("login", "allow", "claude", folder=project, variables=variables)
    assert allowed.stdout == "login of claude: allowed\n"
    listed = attractor("login", "list", folder=project, variables=variables)
    assert listed.stdout.startswith("claude  ")
    assert listed.stdout.endswith("CLAUDE_CODE_OAUTH_TOKEN\n")
    done = attractor(*judge, folder=project, variables=variables)
    assert "token.txt" in done.stdout, done.stderr
    everything = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not [one for one in everything if TOKEN.encode() in one]
    [branch] = git(project, "for-each-ref", "--format=%(refname)", "refs/heads/attractor").split()
    assert git(project, "show", f"{branch}:token.txt").startswith("placeholder-")
