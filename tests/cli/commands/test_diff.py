"""`git diff` with `attractor` as its driver, in a real repository set up as the docs describe."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.cli.commands.diff import describe_change
from tests.cli.running import NO_HOME, ROOT
from tests.prepared import quick_programs
from tests.tables import table

PAGE = (ROOT / "docs" / "how-to" / "git-hooks.md").read_text()
SETTING = re.findall(r"^\$ (echo .+ > \.gitattributes|git config diff\..+)$", PAGE, re.M)
GOOD = 'digraph G {\n    start\n    exit\n    a [prompt="x"]\n    start -> a -> exit\n}\n'


class Repository:
    """A git repository whose pipelines are compared by attractor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run("git init --quiet .", *SETTING)

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / f"{name}.dot").write_text(text)

    def commit(self) -> None:
        self.run("git add -- .", "git commit --quiet --message Pipelines")

    def diff(self, *words: str) -> str:
        """Return the output of git for all changes since the last commit."""
        return self.run("git add -- .", f"git diff --cached {' '.join(words)}")

    def run(self, *commands: str) -> str:
        """Run commands; git exits with status 128 when the driver fails."""
        who = {
            f"GIT_{one}_{of}": "you@localhost"
            for one in ("AUTHOR", "COMMITTER")
            for of in ("NAME", "EMAIL")
        }
        path = f"{quick_programs()}{os.pathsep}{os.environ['PATH']}"
        ended = subprocess.run(
            ["sh", "-ec", "\n".join(commands)],
            cwd=self.folder,
            env={"PATH": path, "HOME": str(NO_HOME), **who},
            capture_output=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, b"")
        return ended.stdout.decode()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_docs_contain_the_git_settings() -> None:
    assert len(SETTING) == 2


def test_change_is_described_by_meaning(repository: Repository) -> None:
    repository.write(p=GOOD, q=GOOD)
    repository.commit()
    repository.write(p=GOOD.replace('"x"', '"y"'), q=GOOD.replace('"x"', "x"))
    assert repository.diff() == (
        'pipeline p.dot\nnodes\n  ~ a\n      ~ prompt: "x" -> "y"\n'
        "pipeline q.dot\nno change in meaning\n"
    )
    shown = repository.run("git commit --quiet --message Next", "git log -p --ext-diff")
    assert "pipeline p.dot\n" in shown


def test_new_and_removed_files(repository: Repository) -> None:
    repository.write(old=GOOD)
    repository.commit()
    (repository.folder / "old.dot").unlink()
    repository.write(new=GOOD, **{"-x": "digraph {}"})
    shown = repository.diff("--no-renames")
    assert "pipeline new.dot was added\ngraph\n  ~ name: (none) -> G\nnodes\n  + start (" in shown
    assert "pipeline old.dot was removed\ngraph\n  ~ name: G -> (none)\nnodes\n  - start" in shown
    assert "pipeline -x.dot was added\nno change in meaning\n" in shown


def test_rename_copy_and_mode_change_are_described(repository: Repository) -> None:
    repository.write(
        a=GOOD, b=GOOD.replace("G", "B"), c=GOOD.replace("G", "C"), d=GOOD.replace("G", "D")
    )
    repository.commit()
    repository.run("git mv a.dot a2.dot", "git mv b.dot b2.dot", "chmod +x c.dot b2.dot")
    text = (repository.folder / "d.dot").read_text()
    repository.write(b2=GOOD.replace("G", "B").replace("exit\n    a", "exit; a"), d2=text)
    repository.write(d=text.replace('"x"', '"y"'))
    assert repository.diff("--find-copies") == (
        "pipeline a.dot was renamed to a2.dot\nthe text is unchanged\n"
        "pipeline b.dot was renamed to b2.dot (mode 100644 -> 100755)\nno change in meaning\n"
        "pipeline c.dot (mode 100644 -> 100755)\nthe text is unchanged\n"
        'pipeline d.dot\nnodes\n  ~ a\n      ~ prompt: "x" -> "y"\n'
        "pipeline d2.dot was copied from d.dot\nthe text is unchanged\n"
    )


def test_invalid_pipeline_is_compared_by_lines(repository: Repository) -> None:
    repository.write(p=GOOD, gone="digraph {")
    repository.commit()
    repository.write(p=GOOD.replace("->", "--"), new="\ndigraph {")
    (repository.folder / "gone.dot").unlink()
    (repository.folder / "link.dot").symlink_to("p.dot")
    shown = repository.diff("--no-renames")
    assert (
        "pipeline p.dot: compared line by line, because the new text is not a valid pipeline: "
        "p.dot:5:11: error[syntax]: "
    ) in shown
    assert "\n--- p.dot\n+++ p.dot\n@@ " in shown
    assert "\n-    start -> a -> exit\n+    start -- a -- exit\n }\n" in shown
    assert "\npipeline new.dot was added: compared line by line, because the new text is " in shown
    assert "\n--- /dev/null\n+++ new.dot\n@@ -0,0 +1,2 @@\n+\n+digraph {" in shown
    assert (
        "pipeline gone.dot was removed: compared line by line, because the old text is not a valid"
        in shown
    )
    assert "\n-digraph {" in shown
    assert "\npipeline link.dot was added: compared line by line" in shown
    assert "\n+p.dot\n" in shown


def test_binary_content_does_not_fail(repository: Repository) -> None:
    repository.write(latin=GOOD, binary=GOOD)
    repository.commit()
    (repository.folder / "latin.dot").write_bytes(GOOD.replace('"x"', '"é"').encode("latin-1"))
    (repository.folder / "binary.dot").write_bytes(b"\x7fELF\0\0")
    commands = ("git add -- .", "git diff --cached | tr '\\351' e")
    shown = repository.run(*commands)
    assert (
        "because the new text is not a valid pipeline: latin.dot is not valid UTF-8 (line 4)\n"
        in shown
    )
    assert '\n+    a [prompt="e"]\n' in shown
    assert "not a valid pipeline: binary.dot is a binary file\n" in shown


def test_content_without_meaning_does_not_fail(repository: Repository) -> None:
    repository.write(p="digraph {\n" * 5)
    repository.commit()
    repository.run("git mv p.dot q.dot")
    assert repository.diff() == "pipeline p.dot was renamed to q.dot\nthe text is unchanged\n"
    repository.commit()
    (repository.folder / "attractor.toml").write_text("nonsense = [")
    repository.write(p=GOOD)
    assert "pipeline p.dot was added\n" in repository.diff()


def test_merge_conflict_does_not_fail(repository: Repository) -> None:
    repository.write(p=GOOD)
    repository.commit()
    repository.run("git checkout --quiet -b other")
    repository.write(p=GOOD.replace('"x"', '"y"'))
    repository.commit()
    repository.run("git checkout --quiet -")
    repository.write(p=GOOD.replace('"x"', '"z"'))
    repository.commit()
    repository.run("git merge --quiet other > said || true")
    assert "pipeline p.dot has a merge conflict\n" in repository.run("git diff --cached")
    assert "<<<<<<<" in repository.run("git diff --base") + repository.run("git diff")


def test_unreadable_file_is_reported(tmp_path: Path) -> None:
    file = str(tmp_path / "not there")
    found = describe_change(["p.dot", file, "0", "100644", file, "0", "100644"])
    assert found == "pipeline p.dot: cannot read the old text: No such file or directory"


@table("count", [0, 2, 6, 10])
def test_wrong_number_of_driver_arguments_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match="1 or 7 to 9 arguments"):
        describe_change(["x"] * count)
