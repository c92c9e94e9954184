"""Commits of the tasks of actors: one for each task with changes, on the branch of its worktree."""

import asyncio
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.factory.open_project import OpenProject
from attractor.workspaces import commits
from attractor.workspaces.commits import subject_from
from attractor.worlds import process
from attractor.worlds.actors import ActorFolder, Answered
from attractor.worlds.dimensions import add_dimension
from attractor.worlds.process import ActorProcess
from tests.counts import count
from tests.pipeline.projects import git, make_project
from tests.tables import table
from tests.worlds.flows import actor_in, open_at, send_to

TASKS = count(ci=20, full=200)
SETTINGS = """[backends.command]
run = '''eval "$(head -n 1 "$ATTRACTOR_PROMPT_FILE")"'''
"""
FAILING_HOOKS = ("pre-commit", "commit-msg", "post-commit", "reference-transaction")


class Bench:
    """An actor whose tasks are lines of shell, in a worktree whose hooks and filters fail."""

    def __init__(self, folder: Path, **files: str) -> None:
        self.project = make_project(folder / "project", **{"attractor.toml": SETTINGS, **files})
        self.opened: OpenProject = open_at(folder)
        self.dimension: Dimension = asyncio.run(add_dimension(self.opened, "try"))
        self.top = Path(self.dimension.folder)
        for name in FAILING_HOOKS:
            hook = self.project / ".git" / "hooks" / name
            hook.write_text("#!/bin/sh\nexit 1\n")
            hook.chmod(0o755)
        git(self.project, "config", "commit.gpgSign", "true")
        self.actor: ActorFolder = actor_in(
            self.opened, backend="command", workspace="worktree", folder=str(self.top),
            dimension="try",
        )  # fmt: skip

    def work(self) -> None:
        ActorProcess(self.actor, self.opened).work(linger_s=0.1)

    def answer(self, script: str) -> Answered:
        send_to(self.actor, self.opened, script)
        self.work()
        return self.actor.read().answers[-1]

    def git(self, *words: str) -> str:
        return git(self.top, "-c", "core.hooksPath=/dev/null", *words).strip()

    def shown(self, commit: str, form: str) -> str:
        return self.git("show", "--no-patch", f"--format={form}", commit)

    def names(self, commit: str) -> str:
        return self.git("show", "--name-status", "--format=", commit)

    def status(self) -> str:
        return git(self.top, "status", "--short")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_branch_and_records_agree_after_many_tasks(bench: Bench) -> None:
    """A person edits between the tasks, stages, and commits; an agent commits by itself."""
    expected = [bench.git("rev-parse", "HEAD")]
    for number in range(TASKS):
        file = f"f{number}.txt"
        kind = ("change", "nothing", "edited", "own commit", "person commits", "fails")[number % 6]
        if kind == "edited":
            (bench.top / "mine.txt").write_text(f"{number}\n")
            (bench.top / "readme.txt").write_text(f"mine {number}\n")
            bench.git("add", "mine.txt")
        if kind == "person commits":
            bench.git("add", "mine.txt", "readme.txt")
            bench.git("commit", "--no-gpg-sign", "--quiet", "-m", "Mine")
            expected.append(bench.git("rev-parse", "HEAD"))
        theirs = bench.status()
        script = {
            "nothing": "echo looked",
            "own commit": f"echo x > {file}; git add {file}; "
            "git -c user.name=A -c user.email=a@x -c commit.gpgSign=false "
            f"-c core.hooksPath=/dev/null commit -qm Own {file}; echo committed",
            "fails": f"echo x > {file}; echo sorry; exit 1",
        }.get(kind, f"echo x > {file}; echo '## **Added** `{file}`'")
        answer = bench.answer(script)
        head = bench.git("rev-parse", "HEAD")
        if kind in ("nothing", "own commit"):
            assert answer.commit == ""
            assert bool(answer.why_not_committed) is (kind == "own commit")
            expected += [head] * (kind == "own commit")
        else:
            assert answer.commit == head
            assert bench.names(head) == f"A\t{file}"
            expected.append(head)
        assert bench.status() == theirs
    log = bench.git("log", "--reverse", "--format=%H").splitlines()
    assert log == expected
    assert [one.commit for one in bench.actor.read().answers if one.commit] == [
        one for one in log if bench.shown(one, "%an") == "Attractor"
    ]


def test_commit_names_run_task_and_asker_and_keeps_a_changed_index(bench: Bench) -> None:
    answer = bench.answer("rm readme.txt; mkdir readme.txt; echo x > readme.txt/x; echo Moved it.")
    form = "%an|%s|%(trailers:only,unfold)"
    assert bench.shown(answer.commit, form).splitlines() == [
        f"Attractor|Moved it.|Attractor-Run: {answer.run_id}",
        f"Attractor-Task: {answer.message.id}",
        "Attractor-Asked-By: person ann",
    ]
    assert bench.status() == ""
    assert f"; commit {answer.commit[:12]}" in answer.result


@pytest.mark.parametrize("place", ["settle", "_take_up"])
def test_kill_between_commit_and_answer_makes_no_second_commit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    module = process if place == "settle" else commits
    with monkeypatch.context() as patched:
        patched.setattr(module, place, die)
        with pytest.raises(KeyboardInterrupt):
            bench.answer("echo x > made.txt; echo Made it.")
    made = bench.git("rev-parse", "HEAD")
    bench.work()
    assert bench.actor.read().answers[-1].commit == made == bench.git("rev-parse", "HEAD")
    assert bench.status() == ""


@table(
    ("change", "why"),
    [
        ("git switch -q --create other", "has another branch than attractor/try"),
        ("git switch -q --detach", "has another branch than attractor/try"),
        ("git switch -q attractor/try; touch $(git rev-parse --git-path MERGE_HEAD)", "merge"),
        ("cd $(git rev-parse --git-dir); rm MERGE_HEAD; touch index.lock", "index.lock"),
    ],
)
def test_work_of_a_person_in_git_is_not_disturbed(bench: Bench, change: str, why: str) -> None:
    for hook in bench.project.glob(".git/hooks/*"):
        hook.unlink()
    subprocess.run(["sh", "-c", change], cwd=bench.top, check=True)
    before = bench.git("for-each-ref", "refs/heads")
    answer = bench.answer("date +%N > made.txt; echo Made it.")
    assert why in answer.why_not_committed
    assert answer.commit == ""
    assert bench.git("for-each-ref", "refs/heads") == before


@pytest.mark.parametrize("made_by_attractor", [True, False])
def test_folder_of_a_person_gets_no_commit(bench: Bench, made_by_attractor: bool) -> None:
    if made_by_attractor:
        folder = actor_in(bench.opened, "here", backend="command", workspace="in-place")
        top = bench.project
    else:
        records = DimensionRecords.of(bench.opened)
        records.write(replace(bench.dimension, made_by_attractor=False))
        folder, top = bench.actor, bench.top
    before = git(top, "rev-parse", "HEAD")
    send_to(folder, bench.opened, "echo x > made.txt; echo Made it.")
    ActorProcess(folder, bench.opened).work(linger_s=0.1)
    [answer] = folder.read().answers
    assert (answer.changed, answer.commit, answer.why_not_committed) == (1, "", "")
    assert git(top, "rev-parse", "HEAD") == before


def test_line_ends_become_those_of_git_and_filtered_files_stay_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path, **{".gitattributes": "*.txt text eol=crlf\n*.key filter=crypt\n"})
    git(bench.project, "config", "filter.crypt.clean", "touch ../cleaned; cat")
    answer = bench.answer("printf 'a\\r\\n' > a.txt; echo x > b.key; echo Both.")
    assert bench.names(answer.commit) == "A\ta.txt"
    assert bench.git("cat-file", "-s", f"{answer.commit}:a.txt") == "2"
    assert answer.why_not_committed == "Git filters b.key"
    assert not [*tmp_path.rglob("cleaned")]


@table(
    ("words", "subject"),
    [
        ("\n\n## **Fixed** the [parser](http://x/y) of `a_b`\n\nMore", "Fixed the parser of a_b"),
        ("fixup! squash! AMEND! Fix", "Fix"),
        ("- 1. Attractor-Rolled-Back: 0123", "0123"),
        ("\x1b[31mRed\u202e\u200b\ufe0f\x00 one\ttwo", "(31mRed one two"),
        ("Done [skip ci]", "Done (skip ci)"),
        ("---\n***\n\u3164\nLast", "Last"),
        ("x" * 100, "x" * 71 + "…"),
        ("", "A result"),
    ],
)
def test_subject_is_one_clean_line(words: str, subject: str) -> None:
    assert subject_from([words]) == subject


def test_ignored_files_and_what_others_changed_since_are_in_no_commit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.project / ".git" / "info" / "exclude").write_text("*.secret\n")
    answer = bench.answer("echo x > a.secret; echo x > a.txt; echo made")
    assert bench.names(answer.commit) == "A\ta.txt"
    assert answer.why_not_committed == "Git ignores a.secret"

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(process, "answer_of", die)
        send_to(bench.actor, bench.opened, "echo run > both.txt; echo run > own.txt; echo done")
        with pytest.raises(KeyboardInterrupt):
            bench.work()
    (bench.top / "both.txt").write_text("mine\n")
    bench.git("add", "both.txt")
    bench.git("commit", "--no-gpg-sign", "--quiet", "-m", "Mine")
    bench.work()
    late = bench.actor.read().answers[-1]
    assert bench.names(late.commit) == "A\town.txt"
    assert late.why_not_committed == "others changed both.txt"
    assert bench.git("show", "HEAD:both.txt") == "mine"
