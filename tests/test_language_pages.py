"""The examples of the how-to pages about languages run where the toolchain is installed."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from attractor.twins.exchange.answer import Answer
from attractor.twins.script.script import Rule, Script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.examples import LANGUAGES, outputs, play
from tests.needs import needs, needs_sandbox
from tests.pipeline.test_downloads import DEBIAN, copy_debian_repository
from tests.repositories import begin_repository

WORK = "git grep -l 'Hello, ' -- ':!*.md' | xargs -r sed -i 's/Hello, /hello, /'"

MAVEN_PLUGINS = [
    DEBIAN / "org/apache/maven/plugins" / f"maven-{one}"
    for one in ("compiler-plugin/3.10.1", "resources-plugin/3.3.0", "surefire-plugin/2.22.3")
]


def said(*command: str) -> Path:
    """Return the path that a program prints."""
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(printed.stdout.strip())


def find_java() -> list[Path]:
    if not all(map(Path.is_dir, MAVEN_PLUGINS)):
        pytest.skip("no plugins of Maven here")
    return [Path("/usr"), Path("/etc/maven"), *Path("/etc").glob("java-*-openjdk")]


TOOLCHAINS: Mapping[str, tuple[str, Callable[[], list[Path]]]] = {
    "go": ("go", lambda: [said("go", "env", "GOROOT")]),
    "java": ("maven", find_java),
    "javascript": ("npm", lambda: [said("node", "-p", "process.execPath").parents[1]]),
    "rust": ("cargo-clippy", lambda: [said("rustc", "--print", "sysroot")]),
}
"""The program of each page, and the folders that it needs in a sandbox, with `bin` in the first."""


def work_once() -> Script:
    """Return an agent that makes the change which all these pages wish."""
    call = {"name": "shell", "arguments": {"command": WORK}}
    when = {"first_user": "lower case", "step": 0}
    rule = Rule.model_validate({"when": when, "answer": {"tool_calls": [call]}})
    return Script(rules=(rule, Rule(answer=Answer(text="ready"))))


@needs_sandbox
@pytest.mark.parametrize(
    "page",
    [pytest.param(one, marks=needs(TOOLCHAINS[one.stem][0]), id=one.stem) for one in LANGUAGES],
)
def test_examples_of_a_language_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, find_folders = TOOLCHAINS[page.stem]
    folders = find_folders()
    monkeypatch.setenv("PATH", f"{folders[0]}/bin", prepend=":")
    folder = tmp_path / "project"
    begin_repository(folder)
    (tmp_path / ".gitconfig").write_text("[user]\nname = you\nemail = you@localhost\n")
    if page.stem == "java":
        copy_debian_repository(tmp_path / ".m2" / "repository")
    profile = tmp_path / "local.toml"
    profile.write_text(f'name = "local"\n[sandbox]\nread = {[str(one) for one in folders]}\n')
    with in_background(ProviderTwin(work_once())) as twin:
        environ = {
            **{name: one for name, one in twin.environ().items() if name.startswith("ANTHROPIC")},
            "HOME": str(tmp_path),
            "ATTRACTOR_WORKSPACES_DIR": str(tmp_path),
        }
        outputs(f"$ attractor profile create {profile}\n", folder, environ)
        play(page, folder, environ | {"ATTRACTOR_FACTORY__PROFILE": "local"})
