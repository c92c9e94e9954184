"""Neither the folder nor the output of a run contains a word of a holdout."""

import json
import stat
from pathlib import Path

import pytest

from attractor.base.errors import VerificationError
from attractor.base.json import canonical_json
from attractor.engine.run_folder.result import RunResult
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.evaluation.failed_scenarios import failed_scenarios
from attractor.factory.evaluation.gate import gate
from attractor.factory.ledger.ledger import LEDGER_FILE
from attractor.factory.operations.evaluate import ask_gate
from tests.factory.flows import Flow, make_flow

HOLDOUT = """
id = "{id}"
title = "The {id} of the title"
story = "The {id} of the story."

[[steps]]
name = "step-{id}"
run = "cat made.txt"

[[checks]]
kind = "stdout"
step = "step-{id}"
equals = "{wanted}"

[[checks]]
kind = "file"
path = "gift-{id}.txt"
"""
IDS = ("quokka", "wombat", "numbat")
SUITE = """
name = "todo"
pipeline = "linear"
[trials]
n = 2
"""


def make_red_flow(tmp_path: Path) -> Flow:
    texts = {one: HOLDOUT.format(id=one, wanted=f"marsupial-{one}") for one in IDS}
    return make_flow(tmp_path, suite=SUITE, **texts)


def words_of(result: RunResult) -> list[str]:
    """Return the files of a run that contain a word of a holdout, each with the word."""
    secrets = [*IDS, "marsupial", "standard output of step", "gift-"]
    files = [file for file in result.directory.rglob("*") if file.is_file()]
    assert len(files) > 10
    return [
        f"{file.name}: {secret}"
        for file in files
        for secret in secrets
        if secret in file.read_text("utf-8", "replace") or secret in str(file)
    ]


def test_no_file_of_a_run_contains_a_word_of_a_holdout(tmp_path: Path) -> None:
    flow = make_red_flow(tmp_path)
    result = flow.launch()
    assert words_of(result) == []
    flow.decide(result, DecisionKind.REJECTED)
    assert words_of(result) == []
    [line] = (result.directory / "decisions.jsonl").read_text().splitlines()
    assert json.loads(line)["data"]["gate"]["played"] == 6
    assert not any(one in str(flow.report(result).to_record()) for one in (*IDS, "marsupial"))


def test_ledger_contains_no_word_of_a_holdout(tmp_path: Path) -> None:
    flow = make_red_flow(tmp_path)
    flow.launch()
    ledger = (flow.machine.state_dir / LEDGER_FILE).read_text()
    assert '"satisfied":false' in ledger
    assert not any(one in ledger for one in (*IDS, "marsupial"))


def test_operator_sees_all_reasons(tmp_path: Path) -> None:
    flow = make_red_flow(tmp_path)
    result = flow.launch()
    _, judged = ask_gate(result.directory, flow.opened)
    found = failed_scenarios(judged)
    assert sorted(one.scenario for one in found) == sorted(IDS)
    [quokka] = [one for one in found if one.scenario == "quokka"]
    assert (quokka.title, quokka.played, quokka.satisfied) == ("The quokka of the title", 2, 0)
    assert quokka.reasons == (
        "stdout: standard output of step step-quokka is not 'marsupial-quokka'",
        "file: gift-quokka.txt is missing",
    )


def test_results_in_the_state_folder_are_private(tmp_path: Path) -> None:
    flow = make_red_flow(tmp_path)
    result = flow.launch()
    folder = flow.machine.state_dir / "results" / result.run_id / "1"
    files = list(folder.iterdir())
    assert len(files) == 6
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    for one in (folder, *list(folder.parents)[:2]):
        assert stat.S_IMODE(one.stat().st_mode) == 0o700, one
    assert "marsupial" in files[0].read_text()


def swap(files: list[Path]) -> None:
    first, second = files[0].read_bytes(), files[1].read_bytes()
    files[0].write_bytes(second)
    files[1].write_bytes(first)


def forge(files: list[Path]) -> None:
    record = json.loads(files[0].read_text())
    record["trial"]["satisfied"] = True
    files[0].write_text(canonical_json(record))


def tear(files: list[Path]) -> None:
    files[0].write_bytes(files[0].read_bytes()[:40])


def drop(files: list[Path]) -> None:
    files[0].unlink()


@pytest.mark.parametrize("tamper", [swap, forge, tear, drop])
def test_a_result_that_was_tampered_with_is_found(tmp_path: Path, tamper: object) -> None:
    assert callable(tamper)
    flow = make_red_flow(tmp_path)
    result = flow.launch()
    files = sorted((flow.machine.state_dir / "results" / result.run_id / "1").iterdir())
    tamper(files)
    for _ in range(2):
        with pytest.raises(VerificationError):
            flow.decide(result, DecisionKind.APPROVED)
    with pytest.raises(VerificationError):
        gate(ask_gate(result.directory, flow.opened)[1])
