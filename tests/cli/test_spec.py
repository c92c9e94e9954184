"""Commands for specifications: a document becomes nodes, files, drawings and differences."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import attractor
from tests.growth.seed import FARM
from tests.repositories import begin_repository


@pytest.fixture
def app(tmp_path: Path) -> Path:
    begin_repository(tmp_path)
    (tmp_path / "attractor.toml").write_text("")
    (tmp_path / "farm.yaml").write_text(FARM)
    return tmp_path


def spec(app: Path, *words: str, typed: str = "") -> str:
    done = attractor("spec", *words, folder=app, typed=typed)
    assert done.returncode == 0, done.stderr
    return done.stdout


def record(app: Path, *words: str) -> Any:
    return json.loads(spec(app, *words, "--json"))


def test_a_document_becomes_files_of_the_repository_once(app: Path) -> None:
    shown = spec(app, "normalize", "farm.yaml")
    assert "3 entities, 13 fields, 1 pipeline, 7 steps" in shown
    id_ = shown.split(":")[0]
    assert f"next: attractor spec show {id_}\n" in shown
    assert not (app / "spec").exists()
    assert "git commit" in spec(app, "export", id_, "--files")
    assert record(app, "show")["spec_graph_id"] == id_
    assert (app / "spec" / "nodes" / "device" / "web.json").is_file()
    other = spec(app, "normalize", "goal: sell eggs").split(":")[0]
    refused = attractor("spec", "export", other, "--files", folder=app)
    assert refused.returncode == 4
    assert f"already contains the specification {id_} (change it by a plan" in refused.stderr
    (app / "again.yaml").write_text(spec(app, "export", "--yaml"))
    assert record(app, "normalize", "again.yaml")["spec_graph_id"] == id_
    versions = {one["id"]: one for one in record(app, "show", "--all")}
    assert versions.keys() == {id_, other}
    assert "sell eggs" in spec(app, "show", "--all")


def test_outside_of_git_a_hint_names_no_option_of_runs(tmp_path: Path) -> None:
    done = attractor("spec", "verify", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("is not in a git repository (run `git init` and commit)\n")


def test_an_app_without_specifications_names_the_first_command(app: Path) -> None:
    assert "Write one: attractor spec normalize FILE" in spec(app, "show", "--all")
    (app / "latin.txt").write_bytes(b"\xe9ggs")
    done = attractor("spec", "normalize", "latin.txt", folder=app)
    assert "latin.txt is not UTF-8 (save it as UTF-8)" in done.stderr
    long = attractor("spec", "normalize", "goal: " + "very " * 1000 + "good eggs", folder=app)
    assert long.returncode == 0


def test_desires_are_added_answered_shown_compared_and_drawn(app: Path) -> None:
    base = spec(app, "normalize", "farm.yaml").split(":")[0]
    desire = 'goal: "send [NEEDS CLARIFICATION: which?] invoices"\ncadence: daily'
    shown = spec(app, "normalize", "--base", base[:8], "-", typed=desire)
    asked = shown.split(":")[0]
    assert "open questions:\n  send_invoices: which?\n" in shown
    assert f"answer: attractor spec answer {asked} send_invoices ANSWER" in shown
    answered = spec(app, "answer", asked, "send_invoices", "the", "paid").split(":")[0]
    assert spec(app, "diff", base, answered) == (
        "added desire send_invoices: send the paid invoices\n"
    )
    assert spec(app, "diff", base, base) == "the specifications are equal\n"
    node = spec(app, "show", answered, "send_invoices")
    assert "origin: by 'person', desire 'send_invoices'" in node
    assert f"in {asked}: send [NEEDS CLARIFICATION: which?] invoices (other content)" in node
    outline = spec(app, "show", answered)
    assert "    web  (device)\n" in outline
    assert "  send_invoices: send the paid invoices  (desire)\n    - cadence: daily\n" in outline
    drawn = record(app, "render", answered, "-o", "farm.svg")
    assert (app / "farm.svg").read_text().startswith("<?xml")
    assert drawn["diagram"].startswith("<?xml")
    assert record(app, "render", answered, "--mode", "board", "--format", "mermaid")["diagram"] == (
        spec(app, "render", answered, "--mode", "board", "--format", "mermaid")
    )
    assert list(record(app, "reindex").items())[:2] == [("versions", 3), ("nodes", 146)]


@pytest.mark.parametrize(
    ("words", "status", "fault"),
    [
        (("normalize", "frm.yaml"), 2, "no such file: frm.yaml"),
        (("normalize", "apps/farm"), 2, "no such file: apps/farm"),
        (("normalize", "."), 2, ". is a folder (name a file, such as spec.yaml)"),
        (("export", "--files"), 2, "missing ID (list the ids: attractor spec show --all)"),
        (("normalize", "goal: a", "--base", "sg-1"), 2, "unknown specification 'sg-1'"),
        (("normalize", "sell eggs, please"), 2, "llm.model"),
        (("normalize", "farm.yaml", "--base", "HEAD"), 2, "contains no specification"),
        (("show",), 2, "attractor spec export ID --files"),
        (("export",), 2, "choose --yaml or --files"),
        (("render", "--mode", "kanban"), 2, "'flowchart', 'mindmap', 'board'"),
    ],
)
def test_faults_have_a_remedy(app: Path, words: tuple[str, ...], status: int, fault: str) -> None:
    done = attractor("spec", *words, folder=app)
    assert done.returncode == status
    assert fault in done.stderr
