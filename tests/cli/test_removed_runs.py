"""After `git clean -xfd`, suites and decisions are kept, and commands name runs that are gone."""

import json
import shutil
from pathlib import Path

from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.ledger.ledger import Ledger
from tests.cli.test_gc import NOW
from tests.cli.test_judging import call
from tests.factory.flows import make_flow
from tests.pipeline.projects import git, make_project


def test_removed_runs_leave_suites_decisions_and_approved_trees(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    kept, lost = flow.launch(), flow.launch()
    flow.decide(kept, DecisionKind.APPROVED)
    flow.decide(lost, DecisionKind.REJECTED)
    git(flow.project, "clean", "-xfdq")
    listed = call(flow, "suite", "list")
    said = "This project is known, but its runs are gone; 1 suite, 2 decisions are kept.\n"
    assert (listed.stdout.startswith("suite todo@1"), listed.stderr) == (True, said), listed.stdout
    assert call(flow, "runs").stderr == said
    for words in (("gate",), ("promote",), ("audit", "verify"), ("decide", "--json")):
        refused = call(flow, *words, kept.run_id)
        sentence = f"the directory of run {kept.run_id} (approved, not promoted) is gone: "
        assert (refused.returncode, sentence in refused.stderr) == (2, True), refused.stderr
    assert not flow.runs_dir.exists()
    swept = json.loads(call(flow, "gc", *NOW, "--dry-run", "--json").stdout)
    assert (
        "its run directory is gone; it was approved, but is not promoted yet"
        in swept["kept"][0]["why"]
    ), swept
    assert call(flow, "profile", "list").stdout.count("profile") == 2
    again = flow.launch()
    assert flow.report(again).go
    assert call(flow, "suite", "list").stderr == ""


def test_person_lists_and_adopts_projects(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    [ours] = json.loads(call(flow, "doctor", "--project", "--json").stdout)
    assert (ours["suites"], ours["decisions"], ours["is_here"]) == (1, 0, True)
    assert ours["runs_dir"] == str(flow.runs_dir)
    shutil.rmtree(flow.project)
    make_project(flow.project)
    assert "doctor --project" in call(flow, "suite", "list").stderr
    shown = call(flow, "doctor", "--project").stdout.splitlines()
    assert shown[0] == f"{ours['project']}  1 suite, 0 decisions  {flow.runs_dir}"
    adopt = ("doctor", "--project", ours["project"])
    assert call(flow, *adopt, STARTED_BY_ATTRACTOR="x").returncode == 4
    assert call(flow, *adopt, ATTRACTOR_TOKEN="x").returncode == 2
    adopted = call(flow, *adopt)
    assert adopted.stdout.endswith(" (this project)\n"), adopted.stderr
    assert call(flow, "suite", "list").stdout.startswith("suite todo@1")
    [*_, entry] = Ledger(flow.machine.state_dir).entries()
    assert (entry.kind, entry.data["project"]) == ("project_adopted", ours["project"])
    assert "project adopted" in call(flow, "history", "--all").stdout
