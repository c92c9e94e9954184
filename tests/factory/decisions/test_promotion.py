"""A branch is moved once, and a repeated promotion reports that it was already done."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, NoGo, Refused
from attractor.engine.journal.events import PipelineStarted
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.progress import progress_to_record
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.decisions.lock import lock_run
from attractor.factory.decisions.promotion import some_paths
from attractor.factory.errors import (
    InvalidBranch,
    MergeConflict,
    NotPromoted,
    StaleBase,
    UnknownBranch,
)
from attractor.factory.history.audit import audit
from attractor.factory.history.trials import events_of
from attractor.factory.ledger.ledger import HEAD_FILE, LEDGER_FILE, LineKind
from attractor.pipeline.garbage import STORE, Collector, Rules, Whereabouts
from attractor.pipeline.status import plain_status
from attractor.records.diagnosis.diagnose import diagnose
from attractor.records.summary import summarize
from attractor.workspaces.errors import CheckoutInTheWay
from tests.factory.flows import Flow, make_flow
from tests.pipeline.projects import git


def approved(flow: Flow, goal: str = "", promoted_by: str = "") -> RunResult:
    result = flow.launch(goal=goal, promoted_by=promoted_by)
    flow.decide(result, DecisionKind.APPROVED)
    return result


def promoted_lines(flow: Flow) -> list[object]:
    entries = flow.evaluator.ledger.entries()
    return [entry.data["branch"] for entry in entries if entry.kind == LineKind.PROMOTED]


def test_first_five_of_many_paths_are_named() -> None:
    paths = [f"{number}.py" for number in range(7)]
    assert some_paths(paths[:5]) == "0.py, 1.py, 2.py, 3.py, 4.py"
    assert some_paths(paths) == "0.py, 1.py, 2.py, 3.py, 4.py and 2 more"


def test_second_promotion_changes_nothing_and_reports_that(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = approved(flow)
    first = flow.promote(result)
    assert not first.was_done
    git(flow.project, "commit", "--quiet", "--allow-empty", "--message", "On top")
    before = git(flow.project, "show-ref")
    again = flow.promote(result)
    assert (again.was_done, again.commit) == (True, first.commit)
    assert git(flow.project, "show-ref") == before
    assert promoted_lines(flow) == ["main"]


def test_a_second_promotion_needs_nothing_that_was_freed(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    git(flow.project, "branch", "release")
    result = approved(flow)
    first = flow.promote(result)
    collect_garbage(flow, result)
    again = flow.promote(result)
    assert (again.was_done, again.commit, again.tag) == (True, first.commit, first.tag)
    # Promotion to another branch needs the removed trees.
    with pytest.raises(Refused, match="the trees of run .* were removed"):
        flow.promote(result, branch="release")


def collect_garbage(flow: Flow, result: RunResult) -> None:
    """Run the garbage collector only on files of this run in the state folder."""

    async def collect() -> list[str]:
        now = flow.machine.clock.now()
        rules = Rules(now=now, older_than=timedelta())
        promoted = Whereabouts([result.directory], is_known=True, is_promoted=True)
        places = {result.run_id: promoted}
        collector = Collector(
            flow.opened.project,
            # The processes of unrelated runs on this machine must not be killed.
            lambda run_id: places.get(run_id, Whereabouts()),
            rules,
        )
        sweep = await collector.collect()
        return [one.what for one in sweep.freed]

    assert STORE in asyncio.run(collect())


@pytest.mark.parametrize("on_top", [False, True])
def test_a_promotion_that_died_after_the_move_gets_its_line(tmp_path: Path, on_top: bool) -> None:
    flow = make_flow(tmp_path)
    result = approved(flow)
    before = {
        file: file.read_bytes()
        for name in (LEDGER_FILE, HEAD_FILE)
        for file in [flow.machine.state_dir / name]
    }
    first = flow.promote(result)
    for file, content in before.items():
        file.write_bytes(content)
    git(flow.project, "tag", "--delete", first.tag)
    if on_top:
        git(flow.project, "commit", "--quiet", "--allow-empty", "--message", "On top")
    stands_at = git(flow.project, "rev-parse", "main")
    again = flow.promote(result)
    assert (again.was_done, again.commit) == (True, first.commit)
    assert promoted_lines(flow) == ["main"]
    assert git(flow.project, "rev-parse", "main") == stands_at
    assert git(flow.project, "rev-parse", first.tag).strip() == first.commit


@pytest.mark.parametrize(("goal", "subject"), [(" \n ", "linear"), ("\n ## `Two`\nlines", "Two")])
def test_subject_of_the_commit_is_the_first_line_of_goal_or_pipeline(
    tmp_path: Path, goal: str, subject: str
) -> None:
    flow = make_flow(tmp_path)
    flow.promote(approved(flow, goal=goal))
    assert git(flow.project, "log", "-1", "--format=%s", "main") == f"{subject}\n"


def test_a_second_branch_is_another_promotion(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    git(flow.project, "branch", "release")
    result = approved(flow)
    first, second = flow.promote(result), flow.promote(result, branch="release")
    assert (second.was_done, second.commit) == (False, first.commit)
    assert promoted_lines(flow) == ["main", "release"]
    for branch in ("main", "release"):
        assert not flow.roll_back(result, branch=branch).was_done
        assert git(flow.project, "log", "-1", "--format=%s", branch) == 'Revert "Say hello"\n'


def test_commit_that_a_person_took_back_is_not_restored(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    (flow.project / "secret.txt").write_text("pushed by mistake\n")
    git(flow.project, "add", "secret.txt")
    git(flow.project, "commit", "--quiet", "--message", "Mistake")
    result = approved(flow)
    git(flow.project, "reset", "--hard", "--quiet", "HEAD~1")
    with pytest.raises(StaleBase, match=r"stale_base: refs/heads/main is at \w+, not at") as caught:
        flow.promote(result)
    assert caught.value.hint == f"attractor rebase {result.run_id} --onto main"
    assert git(flow.project, "log", "--format=%s", "main") == "Begin\n"
    assert not (flow.project / "secret.txt").exists()


def test_promotion_looks_for_a_locked_index_before_it_moves_the_branch(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = approved(flow)
    lock = flow.project / ".git" / "index.lock"
    lock.touch()
    with pytest.raises(CheckoutInTheWay, match=r"index\.lock exists: another git process works"):
        flow.promote(result)
    assert git(flow.project, "log", "--format=%s", "main") == "Begin\n"
    assert promoted_lines(flow) == []
    lock.unlink()
    assert flow.promote(result)
    assert git(flow.project, "status", "--porcelain", "--untracked-files=no") == ""
    assert (flow.project / "made.txt").exists()


def test_branch_at_the_parent_of_a_plan_commit_gets_both_commits(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    checkout = tmp_path / "checkout"
    git(flow.project, "worktree", "add", "--quiet", "-b", "live", str(checkout))
    (flow.project / "plan.txt").write_text("a plan\n")
    git(flow.project, "add", "plan.txt")
    git(flow.project, "commit", "--quiet", "--message", "Plan")
    result = approved(flow, promoted_by="attractor grow deploy 1")
    ledger = {file: file.read_bytes() for file in flow.machine.state_dir.glob(f"{LEDGER_FILE}*")}
    ledger |= {(head := flow.machine.state_dir / HEAD_FILE): head.read_bytes()}
    first = flow.promote(result, branch="live")
    assert git(checkout, "log", "--format=%s") == "Say hello\nPlan\nBegin\n"
    assert git(checkout, "status", "--porcelain") == ""
    # Restore the state of a process that died after moving the branch, before moving the files.
    for file, content in ledger.items():
        file.write_bytes(content)
    git(checkout, "read-tree", "HEAD~2")
    for name in ("plan.txt", "made.txt"):
        (checkout / name).unlink()
    assert flow.promote(result, branch="live").commit == first.commit
    assert git(checkout, "status", "--porcelain") == ""
    assert (checkout / "plan.txt").exists()
    git(flow.project, "checkout", "--quiet", "-b", "older", "live~2")
    git(flow.project, "commit", "--quiet", "--allow-empty", "--message", "Elsewhere")
    with pytest.raises(StaleBase):
        flow.promote(result, branch="older")


def test_unknown_branch_is_reported_with_known_ones(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    git(flow.project, "branch", "release")
    git(flow.project, "tag", "v1")
    result = approved(flow)
    base = git(flow.project, "rev-parse", "main")[:12]
    with pytest.raises(UnknownBranch, match="unknown branch 'nope'") as caught:
        flow.promote(result, branch="nope")
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.hint == (
        f"branches: main, release; to create it at the base: git branch nope {base}"
    )
    with pytest.raises(UnknownBranch) as near:
        flow.promote(result, branch="mian")
    assert near.value.hint.startswith("did you mean main?")


def test_a_branch_may_be_named_in_full(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = approved(flow)
    first, second = flow.promote(result, "refs/heads/main"), flow.promote(result)
    assert (first.branch, second.branch, second.was_done) == ("main", "main", True)
    assert promoted_lines(flow) == ["main"]


def test_invalid_branch_name_is_refused(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = approved(flow)
    for name in ("-x", "", "a..b", "a b", "HEAD", "refs/tags/v1", "refs/heads/", "refs/heads/-x"):
        with pytest.raises(InvalidBranch, match="invalid branch name") as caught:
            flow.promote(result, name)
        assert "git branch" not in caught.value.hint
        assert caught.value.exit_code is ExitCode.USAGE


def test_promotion_is_rolled_back_by_a_new_commit(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = approved(flow)
    with pytest.raises(NotPromoted, match="is not promoted to main"):
        flow.roll_back(result)
    base = git(flow.project, "rev-parse", "main").strip()
    promoted = flow.promote(result)
    *_, decided, line = flow.evaluator.ledger.entries()
    assert line.data == {
        "pipeline": "linear",
        "branch": "main",
        "commit": promoted.commit,
        "tag": promoted.tag,
        "base": base,
        "decision": decided.head.hash,
        "rebased_from": "",
        "by": "ann",
    }
    collect_garbage(flow, result)
    (flow.project / "later.txt").write_text("later\n")
    git(flow.project, "add", "later.txt")
    git(flow.project, "commit", "--quiet", "--message", "Later")
    back = flow.roll_back(result, "It broke the shop.")
    assert git(flow.project, "log", "--format=%s", "main").splitlines() == [
        'Revert "Say hello"',
        "Later",
        "Say hello",
        "Begin",
    ]
    body = git(flow.project, "log", "-1", "--format=%b", "main")
    assert "It broke the shop." in body
    assert f"Attractor-Rolled-Back: {promoted.commit}" in body
    assert not (flow.project / "made.txt").exists()
    assert (flow.project / "later.txt").read_text() == "later\n"
    assert git(flow.project, "show", "main:scenarios/todo/secret.txt") == "hidden\n"
    [entry] = [one for one in flow.evaluator.ledger.entries() if one.kind == LineKind.ROLLED_BACK]
    assert entry.data == {
        "pipeline": "linear",
        "branch": "main",
        "commit": promoted.commit,
        "revert": back.commit,
        "by": "ann",
        "reason": "It broke the shop.",
    }
    one = summarize(result.directory)
    assert (one.promoted_to, str(plain_status(one))) == ("", "approved, rolled back from main")
    explained = str(
        diagnose(result.directory, reference="RUN", now=flow.machine.clock.now()).finding
    )
    assert ", and rolled back from main" in explained
    assert "attractor promote" not in explained
    assert audit(flow.machine.state_dir, flow.runs_dir).flaws == []
    with pytest.raises(NotPromoted, match="was rolled back already from main"):
        flow.roll_back(result)
    with pytest.raises(Refused):
        flow.promote(result)


def test_roll_back_that_died_after_the_move_gets_its_line(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = approved(flow)
    flow.promote(result)
    before = {
        file: file.read_bytes()
        for name in (LEDGER_FILE, HEAD_FILE)
        for file in [flow.machine.state_dir / name]
    }
    first = flow.roll_back(result)
    for file, content in before.items():
        file.write_bytes(content)
    again = flow.roll_back(result)
    assert (again.was_done, again.commit) == (True, first.commit)
    assert [one.kind for one in flow.evaluator.ledger.entries()][-1] == LineKind.ROLLED_BACK
    with pytest.raises(StaleBase, match="was rolled back from main") as caught:
        flow.promote(result)
    assert caught.value.hint == f"attractor rebase {result.run_id} --onto main"


def test_event_that_a_dead_process_did_not_emit_is_emitted_later(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = approved(flow)
    journal = result.directory / "events.jsonl"
    for move, branch in ((flow.promote, "main"), (flow.roll_back, "")):
        move(result)
        whole = journal.read_bytes()
        journal.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
        assert summarize(result.directory).promoted_to != branch
        lock_run(result.directory, flow.opened).close()
        assert summarize(result.directory).promoted_to == branch
        assert audit(flow.machine.state_dir, flow.runs_dir).flaws == []
    kinds = ("PromotionCompleted", "PromotionRolledBack")
    assert [one.type for one in events_of(journal, kinds)] == [*kinds]


def test_roll_back_over_later_changes_of_the_same_lines_is_refused(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = approved(flow)
    flow.promote(result)
    (flow.project / "made.txt").write_text("made by hand\n")
    git(flow.project, "commit", "--quiet", "--all", "--message", "By hand")
    with pytest.raises(MergeConflict, match=r"main changed the same lines later: made\.txt"):
        flow.roll_back(result)
    assert git(flow.project, "log", "--format=%s", "-1", "main") == "By hand\n"


def test_rejected_run_is_not_promoted(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.REJECTED)
    with pytest.raises(NoGo, match=f"{result.run_id} was rejected"):
        flow.promote(result)


def test_dirty_checkout_is_not_overwritten(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    git(flow.project, "commit", "--quiet", "--allow-empty", "--message", "Second")
    result = approved(flow)
    (flow.project / "made.txt").write_text("in the way\n")
    with pytest.raises(CheckoutInTheWay) as caught:
        flow.promote(result)
    assert caught.value.exit_code is ExitCode.REFUSED
    assert caught.value.hint.startswith("commit or stash them")
    assert git(flow.project, "log", "--format=%s", "main") == "Second\nBegin\n"
    (flow.project / "made.txt").unlink()
    assert flow.promote(result)


def test_tree_that_changed_after_the_approval_is_not_promoted(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = approved(flow)
    with lock_run(result.directory, flow.opened) as run:
        # The journal has no seal, so anybody can append lines to its chain.
        evil = progress_to_record(replace(run.progress, tree="0" * 40))
        run.record(PipelineStarted("linear", result.run_id, "", evil), sync=True)
    with pytest.raises(NoGo, match="is about another tree"):
        flow.promote(result)
    assert git(flow.project, "log", "--format=%s", "main") == "Begin\n"


def test_promotion_keeps_files_left_out_byte_for_byte(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    hidden = flow.project / "scenarios" / "todo"
    (hidden / "run.sh").write_bytes(b"#!/bin/sh\r\n\xff\x00")
    (hidden / "run.sh").chmod(0o755)
    (hidden / "link").symlink_to("../../readme.txt")
    git(flow.project, "add", "--all", "--force", "scenarios")
    git(flow.project, "commit", "--quiet", "--message", "More")
    before = git(flow.project, "ls-tree", "-r", "main", "scenarios")
    assert "120000" in before
    flow.promote(approved(flow))
    assert git(flow.project, "ls-tree", "-r", "main", "scenarios") == before
    assert "made.txt" in git(flow.project, "ls-tree", "-r", "main")
    assert git(flow.project, "status", "--porcelain") == ""
