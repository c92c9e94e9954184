import asyncio
from pathlib import Path

import pytest

from attractor.base.errors import VerificationError
from attractor.factory.errors import InUse, Retired
from attractor.factory.operations.evaluate import request_evaluation
from attractor.factory.operations.resume import resume_run
from attractor.factory.operations.start import check_run
from attractor.factory.resources.ending import require_unused
from attractor.factory.resources.versions import Ending
from attractor.pipeline.source.read import open_pipeline
from attractor.records.request import Overrides
from attractor.records.summary import summarize
from tests.factory.flows import Flow, make_flow
from tests.factory.resources.stores import NOW, pipeline_store
from tests.pipeline.projects import LINEAR, simulated
from tests.scenarios.suites import SUITE

NAMING = LINEAR.replace('prompt="Plan: $goal"', 'prompt="@plan.md"')


def test_a_version_is_the_hash_of_the_graph_and_of_the_files_that_it_names(tmp_path: Path) -> None:
    store, file = pipeline_store(tmp_path), tmp_path / "p.dot"
    file.write_text(NAMING)
    (tmp_path / "plan.md").write_text("Plan it.")
    first, is_new = store.register(open_pipeline(str(file)), file, by="ann", now=NOW)
    assert (first.name, first.number, is_new) == ("linear", 1, True)
    assert store.register(open_pipeline(str(file)), file, by="ann", now=NOW) == (first, False)
    (tmp_path / "plan.md").write_text("Plan it well.")
    second, _ = store.register(open_pipeline(str(file)), file, by="ann", now=NOW)
    assert second.number == 2
    (tmp_path / "plan.md").write_text("Plan it.")
    assert store.register(open_pipeline(str(file)), file, by="ann", now=NOW) == (first, False)
    assert store.read(first).files == {"plan.md": b"Plan it."}
    assert store.read(second).text == NAMING


def test_a_changed_child_pipeline_or_its_prompt_makes_another_version(tmp_path: Path) -> None:
    store, file = pipeline_store(tmp_path), tmp_path / "p.dot"
    file.write_text(LINEAR.replace('prompt="Plan: $goal"', 'type=pipeline, file="sub/child.dot"'))
    (tmp_path / "sub").mkdir()
    numbers: list[int] = []
    for goal, plan in (("one", "Plan it."), ("two", "Plan it."), ("two", "Plan it well.")):
        (tmp_path / "sub" / "child.dot").write_text(NAMING.replace("Say hello", goal))
        (tmp_path / "sub" / "plan.md").write_text(plan)
        version, _ = store.register(open_pipeline(str(file)), file, by="ann", now=NOW)
        numbers.append(version.number)
    assert numbers == [1, 2, 3]
    assert store.read(version).files["sub/plan.md"] == b"Plan it well."


def test_registration_reads_only_a_version_with_the_same_content(tmp_path: Path) -> None:
    store, file = pipeline_store(tmp_path), tmp_path / "p.dot"
    found: list[tuple[int, bool]] = []
    for goal in ("Hello", "Bye", "Hello", "Welcome", "Bye"):
        file.write_text(LINEAR.replace("Say hello", goal))
        version, is_new = store.register(open_pipeline(str(file)), file, by="ann", now=NOW)
        found.append((version.number, is_new))
        if goal == "Welcome":
            [first] = tmp_path.glob("state/projects/*/pipelines/linear/1.json")
            first.write_text("{")
    assert found == [(1, True), (2, True), (1, False), (3, True), (2, False)]


def test_the_validation_result_of_a_version_can_be_read(tmp_path: Path) -> None:
    store, file = pipeline_store(tmp_path), tmp_path / "p.dot"
    file.write_text(LINEAR.replace("prompt=", "promt="))
    version, _ = store.register(open_pipeline(str(file)), file, by="ann", now=NOW)
    found = store.versions.find("linear@1").data["diagnostics"]
    assert found == version.data["diagnostics"]
    assert "promt" in str(found)


def test_a_changed_or_missing_copy_is_refused(tmp_path: Path) -> None:
    store, file = pipeline_store(tmp_path), tmp_path / "p.dot"
    file.write_text(LINEAR)
    version, _ = store.register(open_pipeline(str(file)), file, by="ann", now=NOW)
    copy = tmp_path / "state" / "pipelines" / version.content / "graph.dot"
    copy.write_text(LINEAR.replace("Plan", "Skip"))
    with pytest.raises(VerificationError, match="missing or was changed"):
        store.read(version)
    copy.unlink()
    with pytest.raises(VerificationError, match="missing or was changed"):
        store.read(version)


def require_all_unused(flow: Flow) -> None:
    stores = flow.opened
    for version in (
        stores.pipelines.versions.find("linear"),
        stores.profiles.versions.find("lenient"),
        stores.suites.versions.find("todo"),
    ):
        require_unused([version], flow.opened.identity, flow.evaluator.ledger)


def test_a_run_registers_its_pipeline_and_a_resource_in_use_cannot_be_retired(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path)
    # Use an unusual folder, so that the run is known only from the ledger.
    result = flow.launch(evaluate=False, root=tmp_path / "elsewhere")
    version = flow.opened.pipelines.versions.find("linear")
    [created] = list(flow.evaluator.ledger.entries(result.run_id))
    assert (version.by, created.data["pipeline"]) == (f"run {result.run_id}", version.pinned)
    with pytest.raises(InUse, match=f"used by active runs: {result.run_id}"):
        require_all_unused(flow)
    flow.resume(result)
    require_all_unused(flow)


def test_pipeline_of_an_accepted_or_unreadable_run_cannot_be_retired(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    file, gate = (
        flow.project / "pipeline.dot",
        "ask [shape=hexagon]\n    make -> ask\n    ask -> exit [label=Yes]",
    )
    file.write_text(LINEAR.replace("-> make -> exit", f"-> make\n    {gate}"))
    result = flow.launch()
    file.write_text(file.read_text().replace("Plan:", "Plan well:"))
    overrides = Overrides(accepts_graph="ann")
    asyncio.run(resume_run(result.directory, flow.opened, overrides))
    first, second = flow.opened.pipelines.versions.versions("linear")
    require_unused([first], flow.opened.identity, flow.evaluator.ledger)
    with pytest.raises(InUse, match=f"linear@2 .* is used by active runs: {result.run_id}"):
        require_unused([first, second], flow.opened.identity, flow.evaluator.ledger)
    (result.directory / "manifest.json").write_text("{")
    with pytest.raises(InUse, match=f"may be used by unreadable runs: {result.run_id}"):
        require_unused([first], flow.opened.identity, flow.evaluator.ledger)


def test_a_run_without_a_suite_that_rests_uses_nothing(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.launch(suite="")
    require_all_unused(flow)


def test_a_retired_version_takes_no_new_run_and_stays_for_old_ones(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    stores, now = flow.opened, flow.machine.clock.now()
    for store, name in ((stores.suites, "todo"), (stores.profiles, "lenient")):
        store.versions.end(store.versions.find(name), Ending("retired", now, "ann", "it is old"))
        with pytest.raises(Retired, match=f"{name}@1 .* was retired on .*: it is old"):
            flow.launch()
    assert flow.rules(result) == []
    kinds = [one.kind for one in flow.evaluator.ledger.entries()]
    assert kinds.count("retired") == 2


def test_an_unnamed_graph_is_judged_under_the_name_of_its_file(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, suite=SUITE.replace('"linear"', '"pipeline"'))
    (flow.project / "pipeline.dot").write_text(LINEAR.replace("digraph linear", "digraph"))
    result = flow.launch()
    assert flow.rules(result) == []
    version = flow.opened.pipelines.versions.find("pipeline")
    assert version.by == f"run {result.run_id}"
    assert summarize(result.directory).pipeline == "pipeline"


def test_retired_pipeline_is_refused_until_it_is_registered_again(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    first, file = flow.launch(), flow.project / "pipeline.dot"
    store, now = flow.opened.pipelines, flow.machine.clock.now()
    store.versions.end(store.versions.find("linear"), Ending("retired", now, "ann", "it is old"))
    edited = file.read_text().replace("Plan:", "Plan well:")
    for text in (file.read_text(), edited):
        file.write_text(text)
        with pytest.raises(Retired, match="linear@1 .* was retired on .*: it is old") as refused:
            flow.launch(suite="")
        assert refused.value.hint == f"to use it again: attractor pipeline register {file}"
        with pytest.raises(Retired):
            asyncio.run(check_run(simulated(flow.project), flow.opened))
    # Another evaluation of an earlier run does not register its retired pipeline again.
    request_evaluation(first.directory, flow.opened, by="ann")
    flow.resume(first)
    assert len(store.versions.versions("linear")) == 1
    store.register(open_pipeline(str(file)), file, by="ann", now=now)
    flow.launch(suite="")
