"""The real claude and codex work with the login of a person, which they never see."""

import asyncio
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.backends.login_tokens import LoginCredentials
from attractor.config.logins import AllowedLogins
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.backends.login_service import LoginService
from tests.cli.running import attractor
from tests.counts import count
from tests.external_agents.test_backends import PROGRAMS
from tests.external_agents.test_judge import CALC, SCRIPT, SED, WORDS
from tests.pipeline.projects import git, make_project

pytestmark = pytest.mark.agents
FORMATS = {"claude": "anthropic", "codex": "openai"}


def look(canaries: list[str]) -> str:
    """Return a command that writes where a program in the sandbox finds one of some texts."""
    halves = " ".join(f"{text[:9]}''{text[9:]}" for text in canaries)
    places = '/proc/[0-9]*/environ /proc/[0-9]*/cmdline "$HOME" . /tmp'
    return f"{SED}; printf '%s\\n' {halves} | grep -rlsF -f - {places} > found.txt; true"


@pytest.mark.parametrize(
    ("name", "is_file"), [("claude", True), ("claude", False), ("codex", True)]
)
def test_program_works_with_a_login_that_it_never_sees(
    tmp_path: Path, name: str, is_file: bool
) -> None:
    [one] = [one for one in PROGRAMS if one.program == name]
    one.require()
    project = make_project(tmp_path / "project", **{"calc.py": CALC})
    # The token of the file expires after each call.
    with LoginService(calls=1 if is_file else 1000) as service:
        script = parse_script(SCRIPT.format(edit=one.run(look(service.tokens)).toml()))
        with in_background(ProviderTwin(script)) as twin:
            service.models = twin.base_url(FORMATS[name])
            environ = {"PATH": os.environ["PATH"], **service.environ(tmp_path / "home")}
            file = tmp_path
            if is_file:
                file = getattr(service, f"write_{name}")(tmp_path / "home")
            else:
                environ["CLAUDE_CODE_OAUTH_TOKEN"] = service.access
            allowed = attractor("login", "allow", name, folder=project, variables=environ)
            assert allowed.returncode == 0, allowed.stderr
            words = ("judge", "--json", "--", *WORDS[name])
            done = attractor(*words, folder=project, variables=environ)
    said = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    record = json.loads(done.stdout.splitlines()[-1])
    assert {one["path"] for one in record["changes"]["files"]} == {"calc.py", "found.txt"}, said
    assert record["input_tokens"] > 0
    assert (service.renewals >= 1, service.refused) == (is_file, 0)
    refs = git(project, "for-each-ref", "--format=%(refname)", "refs/heads/attractor").split()
    assert git(project, "show", f"{refs[0]}:found.txt") == ""
    assert not is_file or service.access in file.read_text()
    others = [one.read_bytes() for one in tmp_path.rglob("*") if one.is_file() and one != file]
    assert not [1 for text in others for canary in service.tokens if canary.encode() in text]


def codex(service: LoginService, home: Path) -> list[str]:
    """Return the command of codex with the login in a home folder, and models of the service."""
    own = f'{{name="own",base_url="{service.url}",requires_openai_auth=true,wire_api="responses"}}'
    settings = (
        f'chatgpt_base_url="{service.url}"',
        f"model_providers.own={own}",
        'model_provider="own"',
    )
    options = [word for setting in settings for word in ("-c", setting)]
    return ["codex", "exec", "--skip-git-repo-check", *options, "Say done."]


def test_renewals_of_two_runs_and_of_the_program_leave_a_valid_login(tmp_path: Path) -> None:
    """The real codex renews the same file at the same moment, with tokens that are valid once."""
    [one] = [one for one in PROGRAMS if one.program == "codex"]
    one.require()
    with in_background(ProviderTwin(parse_script('[[rules]]\nanswer.text = "Done."'))) as twin:
        for number in range(count(ci=3, full=100)):
            with LoginService(twin.base_url("openai")) as service:
                service.left = 0
                renew_together(service, tmp_path / str(number), number)


def renew_together(service: LoginService, home: Path, number: int) -> None:
    file, environ = service.write_codex(home), service.environ(home)
    old = {"authorization": f"Bearer {service.access}"}
    logins = AllowedLogins(home / "state")
    logins.allow("codex", by="ann", now=datetime(2026, 1, 2, tzinfo=UTC))
    login = logins.usable(environ)["codex"]

    def renew(after_s: float) -> str:
        time.sleep(after_s)
        return asyncio.run(LoginCredentials(login, environ).headers(old))["authorization"]

    # codex asks within a second of its start.
    after_s = 0.1 + number % 20 * 0.05
    with ThreadPoolExecutor(3) as pool:
        program = pool.submit(
            subprocess.run,
            codex(service, home),
            env={**environ, "PATH": os.environ["PATH"], "CODEX_HOME": str(file.parent)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        found = {*pool.map(renew, [after_s] * 2)}
        done = program.result()
    kept = json.loads(file.read_text())["tokens"]
    assert kept["refresh_token"] == service.renewal, done.stderr
    assert found <= {f"Bearer {token}" for token in service.tokens}
