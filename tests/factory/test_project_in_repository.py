"""The id of a project is kept in its repository, so that removed runs do not lose the project."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import Refused, UnknownName, VerificationError
from attractor.base.hash_chain import GENESIS
from attractor.config.projects import ID_FILE
from attractor.engine.storage.json_files import read_document
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.factory.project import ProjectIdentity
from tests.factory.resources.stores import NOW
from tests.pipeline.projects import git, make_project


def identity(
    project: Path, *, runs: Path | None = None, state: str = "state", said: list[str] | None = None
) -> ProjectIdentity:
    """The identity of a project whose state folder is beside it, unless it is named."""
    lock = project.parent / state / "project.lock"
    tell = said.append if said is not None else None
    path = os.environ["PATH"]
    return ProjectIdentity(runs or project / "runs", lock, os.urandom, tell, project, path)


def notice(project: ProjectIdentity) -> str:
    return project.notice(Ledger(project.lock.parent))


def clean(project: Path) -> None:
    git(project, "clean", "-xffdq")


def configured(project: Path) -> Mapping[str, str]:
    """The ids in the configuration of a repository."""
    lines = git(project, "config", "--get-regexp", "^attractor").splitlines()
    return dict(line.split() for line in lines)


def contents(folder: Path) -> dict[Path, bytes]:
    return {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project")


def test_cleaning_keeps_the_id_and_reading_writes_nothing(project: Path) -> None:
    kept = identity(project).create_id()
    assert (configured(project), notice(identity(project))) == ({"attractor.project": kept}, "")
    clean(project)
    before = contents(project.parent)
    assert identity(project).project_id() == kept
    gone = "This project is known, but its runs are gone; 0 suites, 0 decisions are kept."
    assert notice(identity(project)) == gone
    assert contents(project.parent) == before
    assert identity(project).create_id() == kept
    assert (project / "runs" / ID_FILE).read_text() == f"{kept}\n"
    assert (project / "runs" / ".gitignore").exists()
    assert notice(identity(project)) == ""


def test_id_that_could_lead_out_of_the_state_folder_is_refused(project: Path) -> None:
    kept = identity(project).create_id()
    for wrong in (b"../../../elsewhere", b"zzz\xff", b""):
        (project / "runs" / ID_FILE).write_bytes(wrong)
        with pytest.raises(VerificationError, match="invalid id of the project in") as refused:
            identity(project).create_id()
        assert "attractor doctor --project" in refused.value.hint
    (project / "runs" / ID_FILE).unlink()
    assert identity(project).create_id() == kept


def test_without_git_only_the_runs_folder_keeps_the_id(project: Path) -> None:
    shutil.rmtree(project / ".git")
    first = identity(project).create_id()
    shutil.rmtree(project / "runs")
    assert identity(project).project_id() == ""
    assert notice(identity(project)) == "Another project was here: attractor doctor --project"
    assert identity(project).create_id() != first


def test_moved_folder_is_the_same_project(project: Path) -> None:
    kept = identity(project).create_id()
    clean(project)
    moved = project.rename(project.with_name("moved"))
    assert identity(moved).project_id() == identity(moved).create_id() == kept
    shutil.copytree(moved, project)
    assert identity(project).project_id() == ""


@pytest.mark.parametrize("cleaned", ["neither", "original", "copy", "both"])
def test_copied_folder_gets_an_id_of_its_own(project: Path, cleaned: str) -> None:
    kept, said = identity(project).create_id(), list[str]()
    copy = project.with_name("copy")
    shutil.copytree(project, copy)
    if cleaned in ("original", "both"):
        clean(project)
    if cleaned in ("copy", "both"):
        clean(copy)
    assert identity(copy).project_id() == ""
    own = identity(copy, said=said).create_id()
    assert own not in ("", kept)
    assert (identity(copy).project_id(), identity(project).project_id()) == (own, kept)
    clean(copy)
    assert identity(copy).project_id() == own
    assert [f"is a copy of {project}" in one for one in said] == [True]


def test_clone_and_new_repository_are_projects_of_their_own(project: Path) -> None:
    kept = identity(project).create_id()
    clone = project.with_name("clone")
    git(project, "clone", "--quiet", str(project), str(clone))
    assert (identity(clone).project_id(), notice(identity(clone))) == ("", "")
    cloned = identity(clone).create_id()
    shutil.rmtree(project)
    make_project(project)
    assert identity(project).project_id() == ""
    assert notice(identity(project)) == "Another project was here: attractor doctor --project"
    assert len({kept, cloned, identity(project).create_id()}) == 3
    assert notice(identity(project)) == ""


def test_linked_worktree_is_the_same_project(project: Path) -> None:
    kept = identity(project).create_id()
    linked = project.with_name("linked")
    git(project, "worktree", "add", "--quiet", str(linked))
    assert notice(identity(linked)).startswith(f"The runs of this project are in {project}")
    assert identity(linked).create_id() == kept
    assert identity(project).project_id() == kept
    [place] = project.parent.glob("state/projects/*/place.json")
    assert read_document(place).text("runs_dir") == str(project / "runs")
    for one in (project, linked):
        clean(one)
        assert identity(project).project_id() == identity(linked).create_id() == kept
    git(project, "worktree", "remove", "--force", str(linked))
    shutil.copytree(project, project.with_name("copy"))
    assert identity(project.with_name("copy")).project_id() == ""
    assert identity(project).create_id() == kept


def test_second_project_of_a_worktree_stays_until_the_first_is_adopted(project: Path) -> None:
    linked = project.with_name("linked")
    git(project, "worktree", "add", "--quiet", str(linked))
    # As an older version left it, which knew no repository.
    second = replace(identity(linked), folder=None).create_id()
    kept = identity(project).create_id()
    assert identity(linked).create_id() == second != kept
    assert configured(project) == {"attractor.project": kept}
    ledger = Ledger(project.parent / "state")
    identity(linked).adopt(kept, ledger, by="ann", now=NOW)
    assert identity(linked).project_id() == identity(project).project_id() == kept
    [entry] = ledger.entries()
    assert entry.kind == LineKind.PROJECT_ADOPTED
    assert (entry.data["project"], entry.data["before"], entry.data["by"]) == (kept, second, "ann")


def test_symbolic_links_lead_to_the_same_project(project: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (project / "runs").symlink_to(tmp_path / "data")
    link = tmp_path / "link"
    link.symlink_to(project)
    kept = identity(link).create_id()
    assert identity(project).project_id() == kept
    clean(project)
    assert not (project / "runs").is_symlink()
    for one in (project, link):
        assert identity(one).project_id() == kept
        assert notice(identity(one)).startswith(f"The runs of this project are in {tmp_path}/data,")
    assert identity(link).create_id() == identity(project).create_id() == kept


def test_one_runs_folder_for_two_repositories_is_one_project(project: Path, tmp_path: Path) -> None:
    runs, other = tmp_path / "shared", make_project(tmp_path / "other")
    kept = identity(project, runs=runs).create_id()
    assert identity(other, runs=runs).create_id() == identity(project, runs=runs).create_id()
    shutil.rmtree(runs)
    assert identity(other, runs=runs).create_id() == identity(project, runs=runs).create_id()
    # The second one leaves the shared folder, which is the first one's.
    assert identity(other).project_id() == ""
    assert identity(other).create_id() != kept
    assert identity(project, runs=runs).project_id() == kept


def test_projects_of_one_repository_have_ids_of_their_own(project: Path) -> None:
    folders = [project, project / "one", project / "two words"]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        (folder / "attractor.toml").touch()
    git(project, "add", "--all")
    ids = [identity(one, state="../state").create_id() for one in folders]
    clean(project)
    assert [identity(one, state="../state").project_id() for one in folders] == ids
    assert len({*ids}) == len(folders)


def test_renamed_folder_of_a_repository_is_the_same_project(project: Path) -> None:
    (project / "one").mkdir()
    old = identity(project / "one", state="../state")
    kept = old.create_id()
    (project / "one").rename(project / "two")
    new = identity(project / "two", state="../state")
    assert new.project_id() == new.create_id() == kept
    assert configured(project) == {"attractor.two.project": kept}
    shutil.copytree(project / "two", project / "one")
    assert old.project_id() == ""
    shutil.rmtree(project / "one")
    outside = identity((project / "two").rename(project.with_name("outside")))
    assert outside.project_id() == outside.create_id() == kept


def test_each_state_folder_knows_its_own_projects(project: Path, tmp_path: Path) -> None:
    other = make_project(tmp_path / "other")
    first, second = identity(project).create_id(), identity(other).create_id()
    assert first != second
    elsewhere = identity(project, state="elsewhere")
    assert elsewhere.create_id() == first
    clean(project)
    assert elsewhere.project_id() == identity(project).project_id() == first
    assert identity(project, state="third").project_id() == first
    assert notice(identity(project, state="third")) == ""


def test_locked_configuration_is_said_once(project: Path) -> None:
    (project / ".git" / "config.lock").touch()
    said = list[str]()
    kept = identity(project, said=said).create_id()
    assert identity(project, said=said).create_id() == identity(project).project_id() == kept
    assert ["cannot keep it: error: could not lock config file" in one for one in said] == [True]
    (project / ".git" / "config.lock").unlink()
    assert identity(project, said=said).create_id() == kept
    clean(project)
    assert (identity(project).project_id(), len(said)) == (kept, 1)


def test_person_adopts_a_project_of_the_state_folder(project: Path, tmp_path: Path) -> None:
    kept, ledger = identity(project).create_id(), Ledger(tmp_path / "state")
    other = make_project(tmp_path / "other")
    with pytest.raises(UnknownName):
        identity(other).adopt("0" * 32, ledger, by="ann", now=NOW)
    with pytest.raises(Refused, match=f"are in {project}/runs"):
        identity(other).adopt(kept, ledger, by="ann", now=NOW)
    assert ledger.head() == GENESIS
    clean(project)
    identity(other).adopt(kept, ledger, by="ann", now=NOW)
    assert identity(other).project_id() == kept
    clean(other)
    assert identity(other).create_id() == kept
    assert identity(project).project_id() == ""


def test_repository_that_is_created_later_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    opened_before = identity(folder)
    assert opened_before.project_id() == ""
    git(folder, "init", "--quiet")
    kept = identity(folder).create_id()
    clean(folder)
    assert opened_before.project_id() == kept
