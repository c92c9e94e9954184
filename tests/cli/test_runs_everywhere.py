"""`attractor runs --everywhere` lists the runs of all projects of the state folder."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.plain_desk import WORDS, PlainDesk
from tests.cli.running import run_here

SHAPES = "start [shape=Mdiamond]; exit [shape=Msquare]"
ASK = f"digraph ask {{ {SHAPES}; ask [shape=hexagon]; start -> ask -> exit }}"
SAY = f"digraph say {{ {SHAPES}; start -> exit }}"


class Projects(PlainDesk):
    """Two projects with one state folder: a run of `barn` waits for an answer, `farm` has two."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.told = ""
        for name, texts in {"barn": [ASK], "farm": [SAY, SAY]}.items():
            (folder / name).mkdir()
            (folder / name / "attractor.toml").touch()
            for text in texts:
                (folder / name / "pipeline.dot").write_text(text)
                self.at(name, "run", "pipeline.dot", *WORDS, "--interviewer", "park")

    def at(self, project: str, *words: str) -> str:
        """Run a command in a project, and return what it prints."""
        done = run_here(words, folder=self.folder / project, variables=self.environ)
        self.told = done.stderr
        return done.stdout

    def listed(self, *words: str) -> list[tuple[str, str]]:
        """Return project and status of all runs, as `farm` lists them."""
        found = json.loads(self.at("farm", "runs", "--everywhere", "--json", *words))
        return [(Path(one["project"]["folder"]).name, one["status"]) for one in found]


@pytest.fixture
def projects(tmp_path: Path) -> Projects:
    return Projects(tmp_path)


def test_runs_of_all_projects_are_listed_newest_first(projects: Projects) -> None:
    farms, barn = [("farm", "awaiting_human")] * 2, ("barn", "awaiting_human")
    assert projects.listed() == [*farms, barn]
    assert projects.listed("--limit", "1") == farms[:1]
    assert projects.listed("--pipeline", "ask") == [barn]
    heading, *lines = projects.at("barn", "runs", "--everywhere").splitlines()
    assert heading.split()[:3] == ["run", "project", "age"]
    assert [line.split()[1] for line in lines] == ["farm", "farm", "barn"]
    assert "project" not in projects.at("barn", "runs").splitlines()[0]
    assert "No process executes a run." in projects.at("barn", "runs", "--everywhere", "--live")
    assert "No run of a project matches." in projects.at(
        "barn", "runs", "--everywhere", "--goal", "nothing"
    )


def test_answered_run_is_no_longer_listed_as_waiting(projects: Projects) -> None:
    assert [name for name, _ in projects.listed("--status", "awaiting_human")] == ["barn"]
    projects.at("barn", "answer", "latest", "exit", "--resume")
    assert projects.listed("--status", "awaiting_human") == []


def test_moved_and_removed_projects_are_known(projects: Projects) -> None:
    (projects.folder / "barn").rename(projects.folder / "shed")
    barn = projects.folder / "barn"
    gone = f"The runs of {barn} in {barn / 'runs'} are not listed: they are gone.\n"
    projects.listed()
    assert gone in projects.told
    projects.at("shed", "run", "pipeline.dot", *WORDS, "--interviewer", "park")
    assert [name for name, _ in projects.listed()] == ["shed", "farm", "farm", "shed"]
    shutil.rmtree(projects.folder / "shed")
    assert [name for name, _ in projects.listed()] == ["farm", "farm"]
    assert f"The runs of {projects.folder / 'shed'} in " in projects.told


def test_damaged_project_hides_no_other(projects: Projects) -> None:
    (projects.folder / "barn" / "runs" / ".project").write_text("?")
    assert [name for name, _ in projects.listed()] == ["farm", "farm"]
    assert "are not listed: invalid id of the project" in projects.told
