"""Each manual change of a record is found, and the first corrupt line is named."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from attractor.base.hash_chain import GENESIS, seal
from attractor.base.json import parse_json
from attractor.engine.run_folder.result import RunResult
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.history.audit import AuditReport, audit
from attractor.factory.history.records import DECISIONS_FILE
from attractor.factory.ledger.ledger import KEY_FILE, LEDGER_FILE
from attractor.factory.ledger.tokens import TOKENS_FILE, TokenStore
from attractor.factory.open_project import OpenProject
from tests.base.test_files import deep_folder
from tests.cli.running import attractor
from tests.engine.graphs import line
from tests.engine.runs import Workplace
from tests.factory.flows import Flow, make_flow
from tests.pipeline.projects import adjusted

BROKEN = 6


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Flow, RunResult]:
    """A project with a promoted run and a token, which the tests copy."""
    flow = make_flow(tmp_path_factory.mktemp("audit"))
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    flow.promote(result)
    flow.make_token()
    return flow, result


@pytest.fixture
def flow(original: tuple[Flow, RunResult], tmp_path: Path) -> Flow:
    """A copy of the project; the ledger still contains the old paths of its run directories."""
    flow, _ = original
    for one in ("project", "state"):
        shutil.copytree(flow.project.parent / one, tmp_path / one, symlinks=True)
    project, state = tmp_path / "project", tmp_path / "state"
    opened = adjusted(flow.opened.project, root=project, runs_dir=project / "runs", state_dir=state)
    ledger = state / LEDGER_FILE
    assert str(flow.project) in ledger.read_text()
    return Flow(project, OpenProject(opened))


def verify_copy(flow: Flow, result: RunResult) -> AuditReport:
    """Verify the copy. Hide the run directory of the original, which would be found first."""
    hidden = result.directory.with_name("hidden")
    result.directory.rename(hidden)
    try:
        return audit(flow.machine.state_dir, flow.runs_dir)
    finally:
        hidden.rename(result.directory)


def flip(lines: list[bytes], at: int) -> Sequence[bytes]:
    byte = lines[at][10]
    lines[at] = lines[at][:10] + bytes([byte ^ 1]) + lines[at][11:]
    return lines


def leave_out(lines: list[bytes], at: int) -> Sequence[bytes]:
    return lines[:at] + lines[at + 1 :]


def double(lines: list[bytes], at: int) -> Sequence[bytes]:
    return [*lines[: at + 1], *lines[at:]]


def swap(lines: list[bytes], at: int) -> Sequence[bytes]:
    lines[at - 1], lines[at] = lines[at], lines[at - 1]
    return lines


def cut(lines: list[bytes], at: int) -> Sequence[bytes]:
    return [*lines[:at], lines[at][:-9]]


TAMPERINGS = [flip, leave_out, double, swap, cut]
Tamper = Callable[[list[bytes], int], Sequence[bytes]]


def test_intact_records_are_counted(flow: Flow, original: tuple[Flow, RunResult]) -> None:
    report = verify_copy(flow, original[1])
    assert report.flaws == []
    assert (report.runs, report.decisions, report.results, report.tokens) == (1, 1, 1, 1)
    assert report.lines == len(list(flow.evaluator.ledger.entries()))
    assert (report.removed, report.unchecked_seals, report.versions) == ([], 0, 4)


def test_missing_directory_is_a_flaw_of_a_decided_run_only(
    flow: Flow, original: tuple[Flow, RunResult]
) -> None:
    other, decided = flow.launch(suite=""), original[1]
    for one in (other, decided):
        shutil.rmtree(flow.runs_dir / one.run_id)
    report = verify_copy(flow, decided)
    assert report.removed == [other.run_id]
    [flaw] = report.flaws
    assert flaw.run_id == decided.run_id
    assert flaw.problem == f"the directory of a decided run is missing: {decided.directory}"


@pytest.mark.parametrize("tamper", TAMPERINGS)
@pytest.mark.parametrize("name", ["ledger", "events", "decisions"])
def test_changed_line_is_found_and_named(
    flow: Flow, original: tuple[Flow, RunResult], name: str, tamper: Tamper
) -> None:
    [root] = (one for one in flow.runs_dir.iterdir() if one.is_dir())
    files = {
        "ledger": flow.machine.state_dir / LEDGER_FILE,
        "decisions": root / DECISIONS_FILE,
    }
    file = files.get(name, root / "events.jsonl")
    whole = file.read_bytes().splitlines(keepends=True)
    places = [0] if len(whole) == 1 else [1, len(whole) // 2, len(whole) - 1]
    for at in places:
        if tamper is swap and len(whole) == 1:
            continue
        file.write_bytes(b"".join(tamper([*whole], at)))
        [flaw] = verify_copy(flow, original[1]).flaws
        assert str(file.parent) in flaw.problem
        first = at if tamper is swap else at + 2 if tamper is double else at + 1
        # Without its last line, a status change, the journal is older than run.json.
        is_newer = "run.json" in flaw.problem and at == len(whole) - 1
        assert f"line {first} " in flaw.problem or is_newer, (tamper, at, flaw)


def resign(flow: Flow, root: Path) -> None:
    """Write the journal again without one of its lines, as a valid chain."""
    journal, head = root / "events.jsonl", GENESIS
    lines: list[str] = []
    whole = journal.read_bytes().splitlines()
    for one in whole[:9] + whole[10:]:
        record = parse_json(one)
        assert isinstance(record, dict)
        content = {name: record[name] for name in record if name not in ("seq", "prev", "hash")}
        link = seal(content, head)
        head = link.head
        lines.append(f"{link.line}\n")
    journal.write_text("".join(lines))


def edit_result(flow: Flow, root: Path) -> None:
    [file] = flow.machine.state_dir.glob("results/*/*/*.json")
    file.write_text(file.read_text().replace("true", "false"))


def remove_result(flow: Flow, root: Path) -> None:
    [file] = flow.machine.state_dir.glob("results/*/*/*.json")
    file.unlink()


def edit_manifest(flow: Flow, root: Path) -> None:
    file = root / "manifest.json"
    file.write_text(file.read_text().replace('"suite": "todo@1', '"suite": "todo@2'))


def edit_status(flow: Flow, root: Path) -> None:
    file = root / "run.json"
    file.write_text(file.read_text().replace("approved", "rejected"))


def plant_token(flow: Flow, root: Path) -> None:
    file = flow.machine.state_dir / TOKENS_FILE
    file.write_text(file.read_text().replace("ann-decide", "agent"))


def restore_token(flow: Flow, root: Path) -> None:
    file = flow.machine.state_dir / TOKENS_FILE
    old = file.read_bytes()
    TokenStore(file.parent).revoke("ann-decide", by="ann", now=flow.machine.clock.now())
    file.write_bytes(old)


def plant_run(flow: Flow, root: Path) -> None:
    """Add a run that is missing in the ledger."""
    Workplace(root.with_name("PLANTED"), line("plan")).run()


def edit_profile(flow: Flow, root: Path) -> None:
    [file] = flow.machine.state_dir.glob("projects/*/profiles/strict/1.json")
    file.write_text(file.read_text().replace('"allow": []', '"allow": ["dirty_base"]'))


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (resign, "lacks lines whose hashes are in the ledger"),
        (edit_result, "corrupt result"),
        (remove_result, "missing result"),
        (edit_manifest, "manifest.json was changed"),
        (edit_status, "which is not in the journal"),
        (edit_profile, "strict/1.json is missing or differs from the ledger"),
        (restore_token, "token 'ann-decide' in .* was revoked"),
        (plant_run, "unknown run"),
        (plant_token, "token 'agent' in .* has an invalid seal"),
    ],
)
def test_forged_record_is_found(
    flow: Flow, original: tuple[Flow, RunResult], forge: Callable[[Flow, Path], None], message: str
) -> None:
    [root] = (one for one in flow.runs_dir.iterdir() if one.is_dir())
    forge(flow, root)
    [flaw] = verify_copy(flow, original[1]).flaws
    assert re.search(message, flaw.problem)


def test_without_the_key_only_chains_are_verified(
    flow: Flow, original: tuple[Flow, RunResult]
) -> None:
    (flow.machine.state_dir / KEY_FILE).unlink()
    report = verify_copy(flow, original[1])
    assert (report.flaws, report.runs, report.results) == ([], 1, 0)
    assert report.unchecked_seals == report.lines > 0


def test_command_verifies_all_or_one_run(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    broken, whole = flow.launch(suite=""), flow.launch(suite="")
    variables = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    journal = broken.directory / "events.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"seq":3', b'"seq":4', 1))
    child = whole.directory / "children" / "a@1"
    Workplace(child, line("plan")).run()
    for words, code in (
        ([], BROKEN),
        ([broken.run_id], BROKEN),
        ([whole.run_id], 0),
        ([str(child)], 0),
    ):
        done = attractor("audit", "verify", *words, folder=flow.project, variables=variables)
        assert done.returncode == code, done
        assert (f"corrupt: {journal}: line 3 was changed" in done.stdout) == bool(code)
        assert ("No problems found." in done.stdout) != bool(code)
    with deep_folder(whole.directory / "deep"):
        words = ("audit", "verify", whole.run_id)
        assert attractor(*words, folder=flow.project, variables=variables).returncode == 0
    unknown = flow.runs_dir / "01UNKNOWN"
    Workplace(unknown, line("plan")).run()
    done = attractor("audit", "verify", unknown.name, folder=flow.project, variables=variables)
    assert f"unknown run {unknown}" in done.stdout
    assert done.returncode == BROKEN
    shutil.rmtree(unknown)
    shutil.rmtree(broken.directory)
    done = attractor("audit", "verify", folder=flow.project, variables=variables)
    assert "1 undecided run of the ledger without a directory." in done.stdout
    for words, message in ((["reindex"], "1 run, "), (["reindex", "--json"], '"runs": 1')):
        done = attractor("audit", *words, folder=flow.project, variables=variables)
        assert done.returncode == 0
        assert message in done.stdout
