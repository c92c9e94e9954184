from pathlib import Path

from attractor.workspaces.git.gitattributes import may_run_programs
from tests.pipeline.projects import git
from tests.tables import table


@table(
    "line",
    [
        *("* text=auto", "*.sh text eol=lf", "*.png binary", "*.bin -text -diff -merge", "", "# x"),
        *("*.py diff=python", "CHANGELOG.md merge=union", "*.js linguist-generated=true"),
        *("docs/** linguist-documentation export-ignore", "*.txt working-tree-encoding=UTF-16"),
        *('"a b" text', "\t* !text\r", "# * filter=x", "filter=x"),
    ],
)
def test_harmless_line(line: str) -> None:
    assert not may_run_programs(f"* text\n{line}".encode(), b"")


@table(
    "line",
    [
        *(
            "* filter=x",
            "* diff=x",
            "* merge=x",
            "* text filter=x",
            "x\tfilter=x",
            "  * filter=x\r",
        ),
        *(
            '"a b" filter=x',
            '"*"filter=x',
            '"a\\q filter=x "',
            '"a filter=x',
            "[attr]text filter=x",
        ),
        *("* filter", "* -filter", "* export-subst", "* whitespace", "* custom", "* ident"),
        *("* text=auto\x0bfilter=x", "* diff=python2", "* DIFF=python"),
    ],
)
def test_line_that_may_run_a_program(line: str) -> None:
    assert may_run_programs(f"\ufeff{line}\n* text".encode(), b"* text\n")
    assert not may_run_programs(f"* text\n{line}".encode(), f"{line}\n# old".encode())


def test_every_program_that_git_sees_is_found(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    words = ["*", "x", '"x"', '"\\170"', "[attr]m", "m", "text", "filter=f", "diff=d", "#"]
    seen = 0
    for first in words:
        for second in words:
            for blanks in (" ", "\t", "", " \r"):
                line = blanks.join(["", first, second])
                (tmp_path / ".gitattributes").write_text(f"{line}\nx m\n", newline="")
                found = git(tmp_path, "check-attr", "filter", "diff", "--", "x")
                if found.count("unspecified") < 2:
                    seen += 1
                    assert may_run_programs(f"{line}\n".encode(), b""), line
    assert seen > 10
