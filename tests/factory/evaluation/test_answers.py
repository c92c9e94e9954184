import asyncio
import os
from pathlib import Path

from attractor.config.tables import read_section
from attractor.engine.run_folder.result import RunResult
from attractor.engine.storage.secrets import Redactor
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.evaluation.answers import answers_of
from attractor.factory.operations.fork import fork_run
from attractor.factory.resources.profiles import Profile
from attractor.pipeline.orders import Orders
from attractor.records.request import NO_OVERRIDES
from tests.factory.flows import Flow, make_flow
from tests.pipeline.projects import LINEAR, git

ASKING = LINEAR.replace("-> plan -> make", "-> plan -> ask -> make").replace(
    "make  [", "ask [shape=hexagon]\n    make  ["
)


def make_asking_flow(tmp_path: Path) -> Flow:
    flow = make_flow(tmp_path)
    (flow.project / "pipeline.dot").write_text(ASKING)
    git(flow.project, "commit", "--all", "--quiet", "--message", "Ask")
    policy = {"allow": ["isolation_unverified"], "answers": "verified"}
    profile = read_section(Profile, {"name": "proved", "policy": policy})
    flow.opened.profiles.create(profile, by="ann", now=flow.machine.clock.now())
    return flow


def answered(flow: Flow, result: RunResult) -> list[str]:
    run = read_candidate_run(result.directory)
    return [str(one) for one in answers_of(flow.opened, run)]


def test_answer_names_its_author_and_the_proof_also_in_forks(tmp_path: Path) -> None:
    flow = make_asking_flow(tmp_path)
    result = flow.launch(profile="proved", interviewer="park")
    opened = flow.opened
    orders = Orders(
        result.directory,
        "ann",
        opened.project.machine.clock,
        os.urandom,
        Redactor(),
        proof="token ann",
    )
    orders.answer("make")
    flow.resume(result)
    assert answered(flow, result) == ["ask@1.1 by ann (token ann)"]
    after = asyncio.run(fork_run(result.directory, "make", opened, NO_OVERRIDES))
    assert answered(flow, after) == [f"run {result.run_id}: ask@1.1 by ann (token ann)"]
    before = asyncio.run(fork_run(result.directory, "ask", opened, NO_OVERRIDES))
    assert answered(flow, before) == []
    # Without a sandbox, an agent could have written the order.
    [reason] = flow.report(result).reasons
    assert reason.rule == "unverified_answer"
    assert reason.words.endswith("ask@1.1 by ann (token ann); the run had no verified sandbox")


def test_answer_without_a_person_is_shown_and_refused_if_the_profile_says_so(
    tmp_path: Path,
) -> None:
    flow = make_asking_flow(tmp_path)
    shown = "ask@1.1 by auto_approve (--auto-approve)"
    result = flow.launch(interviewer="auto_approve")
    [rule] = [one for one in flow.report(result).rules if one.rule == "unverified_answer"]
    assert (rule.failed, rule.words) == (False, f"the profile accepts all answers: {shown}")
    assert flow.rules(flow.launch(profile="proved", interviewer="auto_approve")) == [
        "unverified_answer"
    ]
