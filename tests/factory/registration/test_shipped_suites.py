"""Suites of the repository notice wrong solutions; a check that is always true is found."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from attractor.factory.open_project import OpenProject
from attractor.factory.registration.register_suite import register_suite
from attractor.factory.resources.suites import Registration
from attractor.pipeline.project.project import Project
from attractor.scenarios.suite_lint import SuiteRefused
from attractor.scenarios.suite_reader import read_suite, references_of
from tests.counts import count
from tests.examples import ROOT
from tests.pipeline.projects import adjusted, git, make_project, open_project
from tests.scenarios.suites import write_files
from tests.tables import table

SUITES = ROOT / "scenarios"
TODO = ROOT / "examples" / "todo"
EXACT = 'equals = "4. [ ] renew the passport"'
ALWAYS_TRUE = 'contains = "passport"'
OLD_LIST = "numbers-of-an-old-list"
HOLDOUT = "holdout/{}.scenario.toml"
CANARY = "todo-canary-6f2d0c9a4be17"
SETTINGS = f'name = "todo"\npipeline = "wish"\n\n[isolation]\ncanary = "{CANARY}"\n'
WRONG = '\n[[wrong]]\nid = "{id}"\non = ""\nnoticed_by = ["{by}"]\n'


@pytest.fixture
def told(tmp_path: Path) -> tuple[Project, list[str]]:
    """The project of the demo, and the messages for a person."""
    wish = (TODO / "pipelines" / "wish.dot").read_text()
    folder = make_project(tmp_path / "todo", wish, **{"todo.py": (TODO / "todo.py").read_text()})
    messages: list[str] = []
    return adjusted(open_project(folder), tell=messages.append), messages


def write(opened: Project, *paths: str, check: str = EXACT, **wrong: str) -> Path:
    """Write a holdout of the demo and files at `paths`, and wrong solutions by their patch."""
    paths = (HOLDOUT.format(OLD_LIST), "fixtures/old-list.json", *paths)
    files = {path: (SUITES / "todo" / path).read_text() for path in paths}
    # A tag of one holdout would name it.
    files = {path: re.sub("^tags = .*\n", "", text, flags=re.M) for path, text in files.items()}
    files[paths[0]] = files[paths[0]].replace(EXACT, check)
    rows = [WRONG.format(id=id_, by=OLD_LIST) for id_ in wrong]
    files |= {f"wrong/{id_}.patch": patch for id_, patch in wrong.items()}
    folder = opened.root / "scenarios" / "todo"
    shutil.rmtree(folder, ignore_errors=True)
    return write_files(folder, files | {"suite.toml": SETTINGS + "".join(rows)})


def register(opened: Project, folder: Path) -> Registration:
    return asyncio.run(register_suite(folder, OpenProject(opened), sandbox="none", by="ann"))


def commented(opened: Project, number: int) -> str:
    """Return a patch that adds a comment."""
    file = opened.root / "todo.py"
    file.write_text(f"{file.read_text()}\n# Comment {number}.\n")
    made = git(opened.root, "diff")
    git(opened.root, "reset", "--quiet", "--hard")
    return f"# {CANARY}\n{made}"


def test_check_that_is_always_true_is_found(told: tuple[Project, list[str]]) -> None:
    opened, messages = told
    patch = (SUITES / "todo" / "wrong" / "keeps-numbers-of-new-tasks.patch").read_text()
    with pytest.raises(SuiteRefused, match="keeps-numbers") as refused:
        register(opened, write(opened, check=ALWAYS_TRUE, **{"keeps-numbers": patch}))
    [fault] = refused.value.faults
    assert fault.rule == "unnoticed"

    reference = f"reference/{OLD_LIST}.patch"
    figures = register(opened, write(opened, reference, check=ALWAYS_TRUE)).figures
    assert figures
    assert (figures.wrong, figures.changes, figures.changes_noticed) == (0, 3, 2)
    [warned] = [one for one in messages if one.startswith("warning: ")]
    assert f"{OLD_LIST} passes without a change of its reference: todo.py @@" in warned
    assert 'if open_only and task["done"]:' in warned


def test_patches_that_add_a_comment_count_nothing(told: tuple[Project, list[str]]) -> None:
    opened, messages = told
    number = count(ci=1, full=9)
    comments = {f"comment-{one}": commented(opened, one) for one in range(number)}
    figures = register(opened, write(opened, HOLDOUT.format("done-is-hidden"), **comments)).figures
    assert figures
    assert (figures.wrong, figures.noticed, figures.silent) == (0, 0, number)
    assert str(figures).startswith("0 of 0 wrong solutions noticed")
    warned = [one for one in messages if "says nothing and is not counted" in one]
    assert len(warned) == number


@table("suite", [one.parent.name for one in SUITES.glob("*/suite.toml")])
def test_patches_of_shipped_suites_apply(suite: str, tmp_path: Path) -> None:
    folder = SUITES / suite
    references, wrong = references_of(folder), read_suite(folder).settings.wrong
    assert len(wrong) == 3

    def require_python(*patches: Path) -> None:
        base = write_files(tmp_path / patches[-1].stem, {"todo.py": (TODO / "todo.py").read_text()})
        git(base, "apply", *map(str, patches))
        for file in base.rglob("*.py"):
            compile(file.read_text(), file, "exec")

    for reference in references.values():
        require_python(reference)
    for one in wrong:
        on = next(iter(references)) if one.on is None else one.on
        require_python(*([references[on]] if on else []), folder / "wrong" / f"{one.id}.patch")
