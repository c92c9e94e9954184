"""Run the programs of the how-to page unchanged, with a twin as the provider."""

import subprocess
import sys
from pathlib import Path

import pytest

import attractor.agent
from attractor.twins.exchange.answer import Answer
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import says, script, use, uses
from tests.examples import ROOT, fences
from tests.prepared import run_program

PAGE = ROOT / "docs" / "how-to" / "run-agents-from-a-program.md"
POEM = "roses are red\nviolets are blue\n"
HELLO = use("write_file", {"file_path": "hello.txt", "content": "Hello!\n"})
CASES: dict[str, tuple[list[Answer], str]] = {
    "stream": ([uses(HELLO), says("Done.")], "[write_file]\nDone.\n"),
    "tool": ([uses(use("count_lines", {"path": "poem.txt"})), says("Two.")], "Two.\n"),
    "runner": ([], "False poem.txt:1:roses are red\n"),
}


@pytest.mark.parametrize("number", range(len(CASES)))
def test_program_of_the_page_runs(tmp_path: Path, number: int) -> None:
    (tmp_path / "poem.txt").write_text(POEM)
    answers, printed = [*CASES.values()][number]
    program = [one for one in fences("python") if one.page == PAGE][number].text
    with in_background(ProviderTwin(script(*answers))) as twin:
        environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **twin.environ()}
        done = run_program(program, tmp_path, environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(printed)


def test_public_names_exist_and_load_lazily() -> None:
    assert all(hasattr(attractor.agent, name) for name in attractor.agent.__all__)
    loaded = "'attractor.agent.conversation.session' in sys.modules"
    code = f"import sys, attractor.agent; sys.exit({loaded})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
