"""Profiles, suites and pipelines, managed by people and by programs."""

import json
import subprocess
import tomllib
from pathlib import Path

from attractor.base.errors import ExitCode
from attractor.cli.invocation import command_registry
from attractor.factory.decisions.decide import DecisionKind
from tests.cli.running import attractor
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.pipeline.projects import git
from tests.scenarios.suites import SUITE, write_files, write_suite
from tests.tables import table

SHOWN = """
id = "shown"
title = "The readme"
story = "Ann reads it."
steps = [{ name = "look", run = "cat readme.txt; exit 3" }]
checks = [{ kind = "exit", step = "look" }]
"""
SECRET = """
id = "secret"
title = "The word"
story = "Bob says it."
baseline = "any"
steps = [{ name = "say", run = "echo sesame" }]
checks = [{ kind = "exit", step = "say" }, { kind = "stdout", step = "say", matches = "." }]
"""
PARENT = """digraph {name} {{
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    work  [{work}]
    start -> work -> exit
}}"""
TWICE = HOLDOUT.format(wanted="twice").replace('"made"', '"both"').replace("Ann", "Bob")
PROFILE = 'name = "careful"\n[policy]\nprotected_paths = ["/deploy"]\n'


def call(flow: Flow, *words: str) -> subprocess.CompletedProcess[str]:
    state = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    return attractor(*words, folder=flow.project, variables=state)


def output_of(flow: Flow, *words: str) -> str:
    done = call(flow, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_profile_is_created_shown_updated_and_retired(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    file = flow.project / "careful.toml"
    file.write_text(PROFILE)
    assert "profile careful@1 (" in output_of(flow, "profile", "create", "careful.toml")
    shown = output_of(flow, "profile", "show", "careful")
    assert "policy.protected_paths = /scenarios, /runs" in shown
    assert "/deploy" in shown
    file.write_text(PROFILE + 'allow = ["dirty_base"]\n')
    assert "careful@2" in output_of(flow, "profile", "update", "careful.toml")
    assert ": unchanged" in output_of(flow, "profile", "update", "careful.toml")
    record = json.loads(output_of(flow, "profile", "show", "careful@1", "--json"))
    assert (record["version"], record["effective"]["policy"]["allow"]) == (1, [])
    done = output_of(flow, "profile", "retire", "careful", "--reason", "nobody needs it")
    assert done.count("retired by") == 2
    # Without a version in use, the error names the latest version and its reason.
    refused = call(flow, "run", "pipeline.dot", "--profile", "careful")
    assert refused.returncode == ExitCode.REFUSED
    assert "careful@2" in refused.stderr
    assert "nobody needs it" in refused.stderr
    assert output_of(flow, "profile", "list").count("\n") == 4


def test_effective_values_of_pipeline_and_run_name_their_origins(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    (flow.project / "careful.toml").write_text(
        f'{PROFILE}max_cost_usd = 2.0\nallow = ["isolation_unverified"]\n'
        '[models]\nfast = "openai/gpt-5"\n'
    )
    output_of(flow, "profile", "create", "careful.toml")
    (flow.project / "pipeline.dot").write_text(
        """digraph linear { graph [max_cost_usd=5, default_fidelity=compact,
            model_stylesheet=".slow { llm_model: opus; }"]
        start [shape=Mdiamond]; exit [shape=Msquare]
        plan [class=fast, prompt="Plan", max_retries=7]
        make [class=slow, prompt="Make"]
        start -> plan -> make -> exit }"""
    )

    def values(*words: str) -> dict[tuple[str, str], tuple[str, str]]:
        record = json.loads(output_of(flow, "profile", "show", *words, "--json"))
        return {
            (one["node"], one["key"]): (one["value"], one["origin"]) for one in record["values"]
        }

    of_pipeline = {
        ("", "max_cost_usd"): ("2", "profile careful"),
        ("", "policy.protected_paths"): ("/deploy", "profile careful"),
        ("", "policy.twins"): ("real", "default"),
        ("plan", "llm_model"): ("gpt-5", "profile careful"),
        ("plan", "llm_provider"): ("openai", "profile careful"),
        ("plan", "max_retries"): ("7", "node, line 4"),
        ("plan", "fidelity"): ("compact", "graph, line 1"),
        ("make", "llm_model"): ("opus", "graph, line 2"),
        ("make", "max_retries"): ("0", "default"),
    }
    found = values("careful", "--effective", "pipeline.dot")
    assert {key: found[key] for key in of_pipeline} == of_pipeline
    words = ("--backend", "simulate", "--profile", "careful", "--max-cost-usd", "1")
    assert call(flow, "run", "pipeline.dot", "--no-evaluate", *words).returncode == 0
    of_run = of_pipeline | {("", "max_cost_usd"): ("1", "run")}
    found = values("--effective", "latest")
    assert {key: found[key] for key in of_run} == of_run
    assert values("careful", "--effective", "linear@1")["make", "llm_model"][0] == "opus"
    assert values("careful", "--effective", "linear")["make", "llm_model"][0] == "opus"
    drawn = flow.project / "drawn.dot"
    drawn.write_text((flow.project / "pipeline.dot").read_text().replace("linear", "drawn"))
    assert values("careful", "--effective", "drawn")["make", "llm_model"][0] == "opus"
    drawn.with_name("again.dot").write_text(drawn.read_text())
    several = call(flow, "profile", "show", "--effective", "drawn").stderr
    assert several.startswith("error: 2 files draw a pipeline named drawn (name one of: /")
    unknown = call(flow, "profile", "show", "--effective", "linaer").stderr
    assert unknown == "error: unknown pipeline or run 'linaer' (did you mean linear?)\n"
    text = output_of(flow, "profile", "show", "--effective", "latest")
    assert text.startswith("latest with the profile careful@1\n")
    assert ["plan", "max_retries", "7", "node,", "line", "4"] in map(str.split, text.splitlines())
    assert call(flow, "profile", "show", "careful", "--effective", "latest").returncode == 2
    assert call(flow, "profile", "show").returncode == 2


def test_a_resource_of_an_active_run_is_not_retired(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.launch(evaluate=False)
    for words in (
        ("profile", "retire", "lenient"),
        ("pipeline", "retire", "linear"),
        ("suite", "archive", "todo"),
    ):
        refused = call(flow, *words, "--reason", "it is old")
        assert (refused.returncode, refused.stdout) == (ExitCode.REFUSED, "")
        assert "used by active runs" in refused.stderr


def test_a_pipeline_is_registered_shown_and_retired(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    assert "pipeline linear@1 (" in output_of(flow, "pipeline", "register", "pipeline.dot")
    assert ": unchanged" in output_of(flow, "pipeline", "register", "pipeline.dot")
    shown = output_of(flow, "pipeline", "show", "linear@1")
    assert "digraph linear {" in shown
    assert "valid: no problems found" in shown
    assert json.loads(output_of(flow, "pipeline", "list", "--json"))[0]["name"] == "linear"
    output_of(flow, "pipeline", "retire", "linear@1", "--reason", "it is old")
    run = ("run", "pipeline.dot", "--backend", "simulate", "--suite", "")
    assert call(flow, *run).returncode == ExitCode.REFUSED
    output_of(flow, "pipeline", "register", "pipeline.dot")
    flow.launch()
    assert output_of(flow, "pipeline", "list").count("linear@") == 2


def test_registered_version_runs_unchanged(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    child, parent = flow.project / "parts" / "child.dot", flow.project / "parent.dot"
    child.parent.mkdir()
    child.write_text(PARENT.format(name="child", work='prompt="@words.md"'))
    (child.parent / "words.md").write_text("The first words")
    parent.write_text(PARENT.format(name="parent", work='type="pipeline", file="parts/child.dot"'))
    output_of(flow, "pipeline", "register", "parent.dot")
    parent.write_text("changed")
    child.unlink()
    words = ("run", "parent@1", "--backend", "simulate", "--sandbox", "none", "--suite", "")
    assert "success" in output_of(flow, *words)
    [prompt] = flow.project.glob("runs/*/children/*/work/prompt.md")
    assert "The first words" in prompt.read_text()
    assert output_of(flow, "pipeline", "list").count("parent@") == 1
    output_of(flow, "pipeline", "retire", "parent@1", "--reason", "it is old")
    assert call(flow, *words).returncode == ExitCode.REFUSED
    assert "unknown version" in call(flow, "run", "parent@2").stderr


def test_error_of_a_registered_version_names_its_place_though_the_file_is_gone(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path)
    file = flow.project / "gone.dot"
    file.write_text(PARENT.format(name="gone", work='prompt="x", llm_provider=opnai'))
    output_of(flow, "pipeline", "register", "gone.dot")
    file.unlink()
    line = 1 + PARENT.partition("{work}")[0].count("\n")
    words = f"{file}:{line}: node work: llm_provider=opnai: unknown provider"
    assert words in call(flow, "run", "gone@1", "--suite", "").stderr


def test_a_suite_is_shown_burned_and_archived(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    shown = output_of(flow, "suite", "show", "todo", "--operator")
    assert "made  holdout  weight 1  It is made" in shown
    assert "0 failures allowed" in shown
    assert (
        json.loads(output_of(flow, "suite", "show", "todo", "--json", "--operator"))["scenarios"][
            0
        ]["id"]
        == "made"
    )
    flow.launch()
    assert "burned by" in output_of(flow, "suite", "burn", "todo", "--reason", "an agent read it")
    for words in ("run pipeline.dot --suite todo", "fork latest make", "rebase latest"):
        refused = call(flow, *words.split())
        assert refused.returncode == ExitCode.REFUSED, words
        assert "an agent read it" in refused.stderr, words
    # A burned version stays burned.
    output_of(flow, "suite", "archive", "todo", "--reason", "it is old")
    assert "burned by" in output_of(flow, "suite", "list")


def test_no_command_deletes_or_edits_a_run_a_checkpoint_or_a_decision() -> None:
    commands = command_registry()
    refused = ("delete", "remove", "rm", "edit", "purge")
    assert "decide" in commands
    # These are folders in which runs work, what starts runs, and an order; their records stay.
    found = [name for name in commands if set(name.split(".")) & set(refused)]
    assert found == ["actor.remove", "automation.remove", "dimension.remove", "queue.remove"]


def test_gc_keeps_decisions_runs_and_checkpoints(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.REJECTED)
    before = {one: one.read_bytes() for one in result.directory.rglob("*") if one.is_file()}
    ledger = (flow.machine.state_dir / "ledger.jsonl").read_bytes()
    assert "freed" in output_of(flow, "gc", "--json")
    assert before == {one: one.read_bytes() for one in before}
    assert {one.name for one in before} >= {"decisions.jsonl", "checkpoint.json", "events.jsonl"}
    assert (flow.machine.state_dir / "ledger.jsonl").read_bytes() == ledger


def test_the_history_of_a_suite_counts_each_scenario_over_the_runs(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, both=TWICE, made=HOLDOUT.format(wanted="made"))
    for _ in range(2):
        flow.launch()
    words = ("suite", "history", "todo", "--operator")
    both, made = json.loads(output_of(flow, *words, "--json"))["scenarios"]
    assert (both["scenario"], both["played"], both["pass_rate"]) == ("both", 2, 0.0)
    assert (made["satisfied"], made["flaky_runs"], len(made["runs"])) == (2, 0, 2)
    shown = output_of(flow, *words)
    assert "both  0 of 2 trials  --" in shown
    assert "made  2 of 2 trials  ++" in shown
    opaque = flow.evaluator.results.opaque_name("made")
    hidden = output_of(flow, "suite", "history", "todo@1")
    assert f"{opaque}  2 of 2 trials  ++" in hidden
    assert "made" not in hidden


def test_a_first_suite_passes_lint_and_is_not_overwritten(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    assert "wrote scenarios/mine/suite.toml" in output_of(flow, "suite", "init", "scenarios/mine")
    assert "no problems found in 1 train" in output_of(flow, "suite", "lint", "scenarios/mine")
    assert 'pipeline = "linear"' in (flow.project / "scenarios/mine/suite.toml").read_text()
    assert call(flow, "suite", "init", "scenarios/mine").returncode == ExitCode.REFUSED
    settings = tomllib.loads((flow.project / "scenarios/mine/suite.toml").read_text())
    holdouts = [*(flow.project / "scenarios/mine/holdout").glob("*.toml")]
    canary = settings["isolation"]["canary"]
    assert [canary in one.read_text() for one in holdouts] == [True] * 3
    examples = ("--example", "sh a.sh => a", "--example", "sh b.sh => b")
    assert "suite register" in output_of(flow, "suite", "init", "scenarios/examples", *examples)
    assert "1 train scenario and 1 holdout;" in output_of(
        flow, "suite", "lint", "scenarios/examples"
    )
    verify = '\n[[checks]]\nkind = "command"\nprogram = "verify"\n'
    holdouts[0].write_text(holdouts[0].read_text() + verify)
    write_files(
        flow.project / "scenarios/mine", {"checks/verify": "#!/bin/sh\n$CANDIDATE/program\n"}
    )
    linted = output_of(flow, "suite", "lint", "scenarios/mine")
    assert linted.startswith("hint: executes_candidate: checks/verify executes $CANDIDATE/program")
    assert "\nno problems found in 1 train" in linted
    record = json.loads(output_of(flow, "suite", "lint", "scenarios/mine", "--json"))
    assert ([one["rule"] for one in record["hints"]], record["faults"]) == (
        ["executes_candidate"],
        [],
    )
    (flow.project / "other.dot").write_text("digraph other { a -> b }")
    output_of(flow, "suite", "init", "scenarios/all")
    suite = (flow.project / "scenarios/all/suite.toml").read_text()
    assert 'pipeline = "*"' in suite
    output_of(flow, "suite", "init", "scenarios/other", "--pipeline", "other")
    file = flow.project / "scenarios/other/holdout/starts.scenario.toml"
    file.write_text(file.read_text().replace('"basics"', '"basics", "dates"'))
    faulty = call(flow, "suite", "lint", "scenarios/other")
    assert (faulty.returncode, "lone_tag: " in faulty.stdout) == (ExitCode.FAILED, True)
    assert json.loads(call(flow, "suite", "lint", "scenarios/other", "--json").stdout)["faults"]


def test_a_suite_is_tried_on_the_current_files_and_holdouts_only_for_the_operator(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path)
    folder = write_suite(flow.project / "scenarios" / "mine", secret=SECRET)
    (folder / "train").mkdir()
    (folder / "train" / "shown.scenario.toml").write_text(SHOWN)
    (flow.project / "readme.txt").write_text("not committed\n")
    tried = call(flow, "suite", "try", "scenarios/mine", "--sandbox", "none")
    assert (tried.returncode, "    | not committed" in tried.stdout) == (ExitCode.FAILED, True)
    assert "FAIL exit: step look ended with 3, not 0" in tried.stdout
    [tree, *_] = tried.stdout.splitlines()
    assert tree.endswith(f"{flow.project}: HEAD with uncommitted changes, without what Git ignores")
    assert "secret" not in tried.stdout + tried.stderr
    words = ("suite", "try", "scenarios/mine", "secret", "--sandbox", "none", "--json")
    assert call(flow, *words).returncode == ExitCode.USAGE
    [record] = json.loads(output_of(flow, *words, "--operator"))
    assert (record["satisfied"], record["steps"][0]["stdout"]) == (True, "sesame\n")
    assert tree == f"tree {record['tree']}"
    git(flow.project, "add", "--all")
    git(flow.project, "commit", "--message", "all")
    [committed] = json.loads(output_of(flow, *words, "--operator"))
    head = git(flow.project, "rev-parse", "HEAD").strip()
    assert f": commit {head[:12]}, without" in committed["tree"]
    assert not (flow.project / "runs").joinpath("events.jsonl").exists()
    assert [*(flow.machine.state_dir / "stores").iterdir()] == []


def test_registering_prints_tolerated_failures_and_refusals_with_remedies(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    folder = write_suite(flow.project / "scenarios" / "mine", secret=SECRET)
    words = ("suite", "register", "scenarios/mine", "--sandbox", "none")
    refused = call(flow, *words, "--json")
    assert refused.returncode == ExitCode.USAGE
    [fault] = json.loads(refused.stdout)["error"]["faults"]
    assert (fault["rule"], fault["scenario"]) == ("not_discriminating", "secret")
    file = folder / "holdout" / "secret.scenario.toml"
    file.write_text("min_pass_rate = 0.9\n" + SECRET.replace("echo sesame", "cat readme.txt"))
    (folder / "suite.toml").write_text(SUITE + "[trials]\nn = 20\n[gate]\nmin_satisfaction = 0.9\n")
    done = output_of(flow, *words)
    assert "sealed as version 2" in done
    assert "20 trials with held-out scenarios; the gate allows at most 2 trials to fail" in done


def test_unknown_profile_names_its_file_in_the_clone(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    write_files(flow.project, {"profiles/local.toml": 'name = "local"\n'})
    refused = call(flow, "run", "pipeline.dot", "--profile", "local").stderr
    assert f"attractor profile create {flow.project / 'profiles' / 'local.toml'})" in refused
    assert "profiles" not in call(flow, "run", "pipeline.dot", "--profile", "other").stderr


@table(
    "words",
    [
        "suite archive todo",
        "suite burn todo",
        "profile retire careful",
        "pipeline retire linear",
        "rollback latest",
    ],
)
def test_what_needs_a_reason_is_not_done_without_one(tmp_path: Path, words: str) -> None:
    flow = make_flow(tmp_path)
    done = call(flow, *words.split())
    assert done.returncode == 2, done.stdout
    assert "missing option '--reason'" in done.stderr
    assert not call(flow, "suite", "list").returncode
