"""A resume or a rewind reports the files that it removes from a workspace, and keeps a copy."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.git_desk import UNGUARDED, GitDesk, events
from tests.cli.plain_desk import Desk
from tests.patience import PATIENCE_S, wait_until

pytestmark = pytest.mark.crash

# The command looks for the file `go` before it says that it began, because it outlives its runner.
SLOW = """digraph slow {
    start [shape=Mdiamond]; exit [shape=Msquare]
    work [shape=parallelogram, tool_command="if test -e $HOME/go; then echo done > done.txt
else echo half > half.txt; touch $HOME/begun; sleep 1000; fi"]
    start -> work -> exit }
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[GitDesk]:
    desk = GitDesk(tmp_path)
    yield desk
    desk.do("cancel", "latest")
    desk.end()


def killed(desk: Desk, *words: str) -> None:
    """Run until the stage has begun, and kill the process."""
    process = desk.begin("run", "pipeline.dot", *UNGUARDED, *words)
    wait_until((desk.folder / "begun").exists)
    process.kill()
    process.wait(PATIENCE_S)


def resumed(desk: Desk) -> str:
    return continued(desk, "resume", "latest")


def rewound(desk: Desk) -> str:
    return continued(desk, "rewind", "latest", "work")


def continued(desk: Desk, *words: str) -> str:
    (desk.folder / "go").touch()
    done = desk.do(*words, "--no-evaluate")
    assert done.returncode == 0, done.stderr
    return done.stderr


def line_of(message: str) -> str:
    [line] = [one for one in message.splitlines() if "moved to a patch" in one]
    return line


def test_changed_project_file_is_listed_with_its_restore_command(desk: GitDesk) -> None:
    desk.make(SLOW)
    killed(desk, "--workspace", "in-place")
    (desk.project / "person.txt").write_text("person\n")
    (desk.project / "readme.txt").write_text("changed\n")
    line = line_of(rewound(desk))
    assert "3 paths of the project, changed later, moved to a patch" in line
    assert "half.txt, person.txt, readme.txt; restore with: git apply " in line
    [event] = events(desk.runs()[-1], "EditsSetAside")
    data = event["data"]
    assert (data["paths"], data["count"]) == (["half.txt", "person.txt", "readme.txt"], 3)
    assert line.endswith(f"git apply {data['patch']}")
    assert not (desk.project / "person.txt").exists()
    assert (desk.project / "readme.txt").read_text() == "hello\n"
    command = line.partition("restore with: ")[2]
    subprocess.run(["sh", "-c", command], cwd=desk.project, timeout=PATIENCE_S, check=True)
    assert (desk.project / "person.txt").read_text() == "person\n"
    assert (desk.project / "readme.txt").read_text() == "changed\n"
    # Only the rewind prints the message; `logs` shows it later too.
    assert "git apply" in desk.do("logs", "latest").stdout


class SecretDesk(GitDesk):
    """A desk with a secret in a variable."""

    @property
    def environ(self) -> Mapping[str, str]:
        return {**super().environ, "MY_TOKEN": "s3cret-s3cret"}


def test_changed_project_file_with_a_secret_is_restored(tmp_path: Path) -> None:
    desk = SecretDesk(tmp_path)
    desk.make(SLOW)
    killed(desk, "--workspace", "in-place")
    (desk.project / "person.txt").write_text("token = s3cret-s3cret\n")
    command = line_of(rewound(desk)).partition("restore with: ")[2]
    [patch] = desk.runs()[-1].glob("incidents/*/*.patch")
    assert "| +token = ***" in patch.read_text()
    # The patch is readable, but it cannot be applied, which would write the placeholder into a
    # file.
    applied = subprocess.run(["git", "apply", patch], cwd=desk.project, check=False)
    assert applied.returncode != 0
    subprocess.run(["sh", "-c", command], cwd=desk.project, timeout=PATIENCE_S, check=True)
    assert (desk.project / "person.txt").read_text() == "token = s3cret-s3cret\n"


def test_unfinished_edits_of_an_isolated_run_are_one_line(desk: GitDesk) -> None:
    desk.make(SLOW)
    killed(desk)
    line = line_of(resumed(desk))
    [event] = events(desk.runs()[-1], "EditsSetAside")
    assert line.endswith(
        f"1 path of an unfinished stage moved to a patch: half.txt ({event['data']['patch']})"
    )
    assert event["data"]["command"] == ""
    assert "half" in Path(event["data"]["patch"]).read_text()


class SubfolderDesk(GitDesk):
    """A project in a subfolder of another project."""

    @property
    def place(self) -> Path:
        return self.project / "a folder"


def test_restore_command_works_in_a_subfolder(tmp_path: Path) -> None:
    desk = SubfolderDesk(tmp_path)
    desk.make("", **{"a folder/attractor.toml": "", "a folder/pipeline.dot": SLOW})
    try:
        killed(desk, "--workspace", "in-place")
        (desk.place / "person.txt").write_text("person\n")
        line = line_of(rewound(desk))
        assert not (desk.place / "person.txt").exists()
        command = line.partition("restore with: ")[2]
        assert command.startswith("git apply '--directory=a folder' '/")
        subprocess.run(["sh", "-c", command], cwd=desk.place, timeout=PATIENCE_S, check=True)
        assert (desk.place / "person.txt").read_text() == "person\n"
    finally:
        desk.do("cancel", "latest")
        desk.end()
