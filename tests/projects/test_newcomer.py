"""A newcomer types the commands that `attractor init` prints, up to a promoted change."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from attractor.twins.pytest_plugin import StartTwin, provider_twin as provider_twin
from tests.cli.terminals import plain, sit
from tests.counts import count
from tests.needs import require
from tests.prepared import quick_programs

WISH = "Print the sum of the arguments."
SCRIPT = """
[[rules]]
when = {{ first_user = "Plan this change", step = 0 }}
answer.tool_calls = [{{ name = "report_outcome", arguments = {{ outcome = "success" }} }}]

[[rules]]
when = {{ first_user = {{ regex = 'feedback\\.gate[\\s\\S]*Implement the plan' }}, step = 0 }}
answer.tool_calls = [{{ name = "shell", arguments = {{ command = '''{third}''' }} }}]

[[rules]]
when = {{ first_user = "Implement the plan", step = 0 }}
answer.tool_calls = [{{ name = "shell", arguments = {{ command = '''{first}''' }} }}]

[[rules]]
when = {{ first_user = "Repair each fault", step = 0 }}
answer.tool_calls = [{{ name = "shell", arguments = {{ command = '''{second}''' }} }}]

[[rules]]
when = {{ first_user = {{ regex = "Implement the plan|Repair each fault" }}, step = 1 }}
answer.tool_calls = [{{ name = "report_outcome", arguments = {{ outcome = "success" }} }}]

[[rules]]
when = {{ first_user = "Review this change", step = 0 }}
answer.tool_calls = [{{ name = "report_outcome", arguments = {{ outcome = "success" }} }}]

[[rules]]
answer = {{ text = "Done." }}
"""


@dataclass(frozen=True)
class NewProject:
    """A new project: its files, the program, and the model's attempts at the change.

    The second attempt repairs the first one, and the third one follows a no-go.
    """

    files: Mapping[str, str]
    program: str
    tests: str
    wire: str
    tries: tuple[str, str, str]
    branch: str = ""
    build: str = "true"


SHELL = NewProject(
    {
        "sum.sh": 'echo "usage: sum.sh NUMBER..."\n',
        "test.sh": "sh sum.sh | grep --quiet usage\n",
    },
    "sh sum.sh",
    "sh test.sh",
    "OPENAI",
    (
        r"""printf '[ $# -gt 0 ] || echo usage\ns=0\nfor n; do s=$((s + n)); done\necho $s\n' >"""
        "sum.sh",
        "",
        "",
    ),
    branch="trunk",
)
PYTHON = NewProject(
    {
        "total.py": "import sys\n\nprint(*sys.argv[1:])\n",
        "test_total.py": "import subprocess\nimport sys\n\n\ndef test_prints_a_line():\n"
        '    assert subprocess.check_output([sys.executable, "total.py"]).count(b"\\n") == 1\n',
        "pytest.ini": "[pytest]\n",
    },
    ".venv/bin/python total.py",
    ".venv/bin/python -m pytest -q",
    "ANTHROPIC",
    (
        "echo 'print(' >total.py",
        r"""printf 'import sys\n\nprint(sum(map(int, sys.argv[1:])))\n' >total.py""",
        "",
    ),
)
NODE = NewProject(
    {
        "package.json": '{"name": "total", "private": true}\n',
        "total.mjs": "console.log(process.argv.slice(2));\n",
        "total.test.mjs": 'import test from "node:test";\n'
        'test("loads", () => import("./total.mjs"));\n',
    },
    "node total.mjs",
    "node --test",
    "GEMINI",
    (
        "echo 'throw 1' >total.mjs",
        "echo 'console.log(3)' >total.mjs",
        "echo 'let sum = 0;\nfor (const one of process.argv.slice(2)) sum += Number(one);\n"
        "console.log(sum);' >total.mjs",
    ),
)
C = NewProject(
    {
        "total.c": "int main(void) { return 0; }\n",
        "Makefile": "total: total.c\n\tcc -o total total.c\ntest: total\n\t./total >/dev/null\n",
        ".gitignore": "/total\n",
    },
    "./total",
    "make test",
    "OPENAI",
    (
        "echo 'int main(' >total.c",
        r"""printf '#include <stdio.h>\n#include <stdlib.h>\n\n"""
        r"""int main(int count, char **words) {\nint sum = 0;\n"""
        r"""for (int i = 1; i < count; i++) sum += atoi(words[i]);\n"""
        r"""printf("%%d\\n", sum);\n}\n' >total.c""",
        "",
    ),
    build="make",
)
RUST = NewProject(
    {
        "Cargo.toml": '[package]\nname = "total"\nversion = "0.1.0"\nedition = "2021"\n',
        "src/main.rs": "fn main() {}\n",
    },
    "target/debug/total",
    "cargo test",
    "ANTHROPIC",
    (
        "echo 'fn main() { println!() }' >src/main.rs",
        "",
        "echo 'fn main() {\n    let words = std::env::args().skip(1);\n"
        """    println!("{}", words.map(|one| one.parse::<i64>().unwrap()).sum::<i64>());\n}'"""
        " >src/main.rs",
    ),
    build="cargo build --quiet",
)
PROJECTS = {"shell": SHELL, "make": C, "python": PYTHON, "node": NODE, "rust": RUST}


def make_environment(folder: Path) -> None:
    """Make a virtual environment with pytest, as pip would."""
    command = [sys.executable, "-m", "venv", "--without-pip", folder / ".venv"]
    subprocess.run(command, check=True)
    [packages] = folder.glob(".venv/lib/python3*/site-packages")
    for name in ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments"):
        spec = find_spec(name)
        assert spec
        assert spec.origin
        shutil.copytree(Path(spec.origin).parent, packages / name)
    (packages / "py.py").write_text("import _pytest._py.path as path\n")


def link_rustup(home: Path) -> None:
    """Show the Rust of this machine in another home folder."""
    if not all((Path.home() / one).is_dir() for one in (".cargo/bin", ".rustup")):
        pytest.skip("needs a Rust of rustup")
    (home / ".cargo").mkdir()
    (home / ".cargo/bin").symlink_to(Path.home() / ".cargo/bin")
    (home / ".rustup").symlink_to(Path.home() / ".rustup")


@dataclass(frozen=True)
class Newcomer:
    """A person at a terminal in a new project."""

    folder: Path
    environ: dict[str, str]

    def type(self, command: str, answers: Sequence[tuple[str, str]] = ()) -> str:
        """Type a command, and answers to its questions; return its output."""
        with sit(["bash", "-c", command], cwd=self.folder, environ=self.environ) as sitting:
            for question, answer in answers:
                sitting.until(question)
                sitting.type(f"{answer}\n")
            assert sitting.ends_with() == 0, sitting.shown
            return plain(sitting.shown)


def begin(folder: Path, fresh: NewProject, variables: Mapping[str, str]) -> Newcomer:
    project = folder / "My total"
    project.mkdir()
    for name, text in fresh.files.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    if ".venv" in fresh.tests:
        make_environment(project)
    (folder / ".gitconfig").write_text("[user]\n\tname = Ann\n\temail = ann@localhost\n")
    keys = {name: one for name, one in variables.items() if name.startswith(fresh.wire + "_")}
    environ = {
        "PATH": f"{folder}/.cargo/bin:{quick_programs()}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ATTRACTOR_WORKSPACES_DIR": str(folder),
        **{name: one for name, one in keys.items() if "COMPATIBLE" not in name},
    }
    newcomer = Newcomer(project, environ)
    if fresh.branch:
        newcomer.type(f"git init --quiet -b {fresh.branch} && git add . && git commit -qm Begin")
    return newcomer


@pytest.mark.parametrize("name", [*PROJECTS][: count(ci=2, full=5)])
def test_newcomer_is_led_to_a_promoted_change(
    name: str, tmp_path: Path, provider_twin: StartTwin
) -> None:
    fresh = PROJECTS[name]
    twin = provider_twin(
        SCRIPT.format(**dict(zip(("first", "second", "third"), fresh.tries, strict=True)))
    )
    if name == "rust":
        link_rustup(tmp_path)
    if name == "make":
        require("cc")
    newcomer = begin(tmp_path, fresh, twin.environ())
    answers = [
        (f"[{name}]", ""),
        (f"[{fresh.tests}]", ""),
        ("Which change", WISH),
        ("that agents see", f"{fresh.program} 1 2 => 3"),
        ("never see", f"{fresh.program} 40 50 => 90"),
    ]
    steps = re.findall(r"^      (.+)$", newcomer.type("attractor init", answers), re.MULTILINE)
    printed, runs = "", 2 if fresh.tries[2] else 1
    for step in steps:
        # The command printed before does the same.
        advised = re.findall(rf":  +({step.partition(' --')[0]}.*)$", printed, re.MULTILINE)
        if token := re.match(r'export (\w+)="\$\((.+)\)"$', step):
            printed = newcomer.type(token[2], [("[y/N]", "y")])
            newcomer.environ[token[1]] = printed.split()[-1]
            continue
        printed = newcomer.type(advised[0] if advised and "..." not in advised[0] else step)
        if again := re.search(r"^  again: +(.+)$", printed, re.MULTILINE):
            assert fresh.tries[2], printed
            printed = newcomer.type(again[1])
    assert f"{fresh.branch or 'main'} is now " in printed, printed
    newcomer.type(fresh.build)
    assert newcomer.type(f"{fresh.program} 1 2") == "3\n"
    assert len([*newcomer.folder.glob("runs/*/manifest.json")]) == runs
    assert newcomer.type("git status --porcelain") == ""
    assert "exists, unchanged: attractor.toml" in newcomer.type("attractor init")
