"""State folders and runs of earlier versions are opened, resumed, decided and audited.

`earlier_versions/DATE.tar.xz` is a project with runs, workspaces and a state folder, as the version
of that date left them. Each later release adds one with `scripts/keep-state`.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.archives import unpack
from tests.cli.running import attractor

KEPT = Path(__file__).parent / "earlier_versions"
MADE_IN = "/srv/desk"
BEFORE_LASTING_RECORDS, *VERSIONS = sorted(one.name.partition(".")[0] for one in KEPT.iterdir())
"""The versions, oldest first. Runs of the oldest have other names in their records."""


@dataclass(frozen=True)
class Desk:
    """A folder with the project and the state folder of an earlier version."""

    folder: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project, as the holder of its token."""
        identity = {"NAME": "T", "EMAIL": "t@localhost"}
        variables = {
            "HOME": str(self.folder),
            "ATTRACTOR_STATE_DIR": str(self.folder / "state"),
            "ATTRACTOR_WORKSPACES_DIR": str(self.folder / "workspaces"),
            "ATTRACTOR_TOKEN": (self.folder / "secret.txt").read_text(),
            # The rest of the runs needs no model.
            "ANTHROPIC_API_KEY": "a-key-that-is-not-used",
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:1",
            **{
                f"GIT_{one}_{key}": identity[key]
                for one in ("AUTHOR", "COMMITTER")
                for key in identity
            },
        }
        return attractor(*words, folder=self.folder / "project", variables=variables)

    def ends(self, *words: str, code: int = 0) -> str:
        """Run a command, and return its output; it has to end with this status."""
        done = self.run(*words)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout

    def statuses(self) -> Mapping[str, Sequence[str]]:
        listed: Any = json.loads(self.ends("runs", "--json"))
        return {one["run_id"]: [one["status"], one["phase"]] for one in listed}

    def findings(self) -> Mapping[str, str]:
        record: Any = json.loads(self.run("doctor", "--json").stdout)
        return {one["subject"]: f"{one['standing']}: {one['found']}" for one in record["findings"]}

    @property
    def run_ids(self) -> Sequence[str]:
        return sorted(one.parent.name for one in self.folder.glob("project/runs/*/manifest.json"))

    @property
    def head(self) -> Mapping[str, Any]:
        return json.loads((self.folder / "state" / "ledger.head").read_bytes())


def restore(version: str, folder: Path) -> Desk:
    """Unpack what a version left, into another folder."""
    unpack(KEPT / f"{version}.tar.xz", folder)
    stores = folder / "state" / "stores"
    patterns = ("*/workspace.json", "*/dimensions/*.json", "*/objects/info/alternates")
    for file in (one for pattern in patterns for one in stores.glob(pattern)):
        file.write_text(file.read_text().replace(MADE_IN, str(folder)))
    [workspaces] = (folder / "workspaces").iterdir()
    (folder / "state" / "workspaces").symlink_to(workspaces)
    return Desk(folder)


@pytest.mark.parametrize("version", VERSIONS)
def test_state_of_an_earlier_version_is_opened_resumed_decided_and_audited(
    tmp_path: Path, version: str
) -> None:
    desk = restore(version, tmp_path)
    parked, nested, promoted, waiting, canceled, killed, unjudged = desk.run_ids
    assert "No problems found." in desk.ends("audit", "verify")
    assert desk.statuses() == {
        parked: ["awaiting_human", "stage"],
        nested: ["awaiting_human", "stage"],
        promoted: ["approved", ""],
        waiting: ["awaiting_human", "decision"],
        canceled: ["canceled", ""],
        killed: ["executing", ""],
        unjudged: ["evaluating", ""],
    }
    assert desk.findings()["state format"].startswith("ok: ")
    assert desk.findings()["runs"] == "ok: all of 7 can be read"
    for words in (["report"], ["history", "--all"], ["token", "list"], ["diagnose", killed]):
        desk.ends(*words)
    # Killed in a branch: the other branch is not repeated.
    desk.ends("resume", killed, code=3)
    logged = desk.ends("logs", killed)
    assert (logged.count("quick: success"), logged.count("slow: success")) == (1, 1)
    for run in (killed, parked):
        desk.ends("answer", run, "yes")
        desk.ends("resume", run)
        assert desk.ends("gate", run).startswith("go")
    desk.ends("resume", unjudged)
    for run in (unjudged, waiting):
        desk.ends("decide", run, "--approve", "--rationale", "The sums are right.")
    desk.ends("promote", unjudged)
    desk.ends("amend", promoted, "--note", "Read again.")
    desk.ends("rollback", promoted, "--from", "release", "--reason", "It was only a try.")
    desk.ends("answer", nested, "yes")
    desk.ends("cancel", nested)
    desk.ends("gc")
    assert "No problems found." in desk.ends("audit", "verify")
    assert desk.findings()["state format"].startswith("ok: 3; ")


def test_ledger_head_without_offset_is_migrated_by_the_next_line(tmp_path: Path) -> None:
    desk = restore(BEFORE_LASTING_RECORDS, tmp_path)
    assert {*desk.head} == {"hash", "seal", "seq"}
    done = desk.run("audit", "verify")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("verified: 17 lines of the ledger, 7 runs")
    assert {one.split(":")[0] for one in lines[1:]} == {"unreadable"}, lines
    assert {one["status"] for one in json.loads(desk.ends("runs", "--json"))} == {"unknown"}
    found = desk.findings()
    assert "problem: the tokens in" in found["state format"]
    assert "7 of 7 cannot be read: another version of attractor wrote" in found["runs"]
    refused = desk.run("gate", "latest")
    assert refused.returncode == 4
    assert "use the version that wrote it, or start a new run" in refused.stderr
    old = desk.run("profile", "show", "lenient")
    assert old.returncode == 4
    assert "make a new revision: attractor profile update FILE" in old.stderr
    (desk.folder / "state" / "tokens.json").unlink()
    (desk.folder / "secret.txt").write_text("")
    desk.ends("pipeline", "register", "pipelines/child.dot")
    assert desk.head["format"] == 3
    assert desk.findings()["state format"] == "ok: 3; 18 lines in the ledger"


def test_newer_state_folder_is_refused_with_the_remedy(tmp_path: Path) -> None:
    desk = restore(VERSIONS[-1], tmp_path)
    *_, killed, _ = desk.run_ids
    head, index = tmp_path / "state" / "ledger.head", tmp_path / "state" / "index.sqlite3"
    head.write_text(json.dumps({**desk.head, "format": 4}))
    before = index.read_bytes()
    for words in (["runs"], ["gate", killed], ["resume", killed]):
        refused = desk.run(*words)
        assert refused.returncode == 4, words
        assert "has format 4, newer than 3 (update attractor" in refused.stderr
    assert index.read_bytes() == before
    assert "problem: the state folder" in desk.findings()["state format"]
