"""The shell completes names of runs, suites and models."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from attractor.base.ids import new_run_id
from attractor.cli.shell_completion import MOST_RUNS
from attractor.factory.resources.profiles import make_profile
from tests.cli.running import attractor
from tests.factory.resources.stores import NOW, profile_store, register, suite_store
from tests.scenarios.suites import SUITE, write_suite


def complete(folder: Path, *words: str) -> list[str]:
    result = attractor(
        folder=folder,
        variables={
            "_ATTRACTOR_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["attractor", *words]),
            "COMP_CWORD": str(len(words)),
            "ATTRACTOR_STATE_DIR": str(folder / "state"),
        },
    )
    assert (result.returncode, result.stderr) == (0, "")
    return [line.removeprefix("plain,") for line in result.stdout.split()]


def test_newest_run_ids_are_completed(tmp_path: Path) -> None:
    assert complete(tmp_path, "status", "") == []
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    times = [moment + timedelta(milliseconds=number) for number in range(MOST_RUNS + 5)]
    ids = [new_run_id(time, bytes) for time in (*times, moment + timedelta(days=400))]
    for name in (*ids, "notes"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    newest = ids[::-1]
    assert complete(tmp_path, "status", "") == [*newest[:MOST_RUNS], "latest"]
    assert complete(tmp_path, "resume", ids[0][:6].lower()) == newest[1 : MOST_RUNS + 1]
    assert complete(tmp_path, "fork", ids[3]) == [ids[3]]
    assert complete(tmp_path, "promote", "la") == ["latest"]
    assert complete(tmp_path, "answer", ids[0], "") == []


def test_commands_are_completed_where_a_group_means_one(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert complete(tmp_path, "queue", "") == ["list", "remove", "run"]
    assert complete(tmp_path, "doc") == ["doctor"]


def test_suites_and_profiles_are_completed(tmp_path: Path) -> None:
    for name in ("billing", "books", "shop"):
        suite = SUITE.replace("todo", name)
        register(suite_store(tmp_path, "."), write_suite(tmp_path / name, suite=suite))
    assert complete(tmp_path, "run", "--suite", "") == ["billing", "books", "shop"]
    assert complete(tmp_path, "run", "--suite", "b") == ["billing", "books"]
    assert complete(tmp_path, "suite", "archive", "s") == ["shop"]
    profile_store(tmp_path, ".").create(make_profile("strict"), by="ann", now=NOW)
    assert complete(tmp_path, "run", "--profile", "") == ["strict"]
    assert complete(tmp_path, "profile", "show", "s") == ["strict"]


def test_models_of_installed_providers_are_completed(tmp_path: Path) -> None:
    for words in (["run", "--model"], ["estimate", "--model"], ["models", "test"]):
        found = complete(tmp_path, *words, "claude-opus")
        assert found
        assert all(one.startswith("claude-opus") for one in found)
    assert "opus" in complete(tmp_path, "run", "--model", "op")


def test_file_names_are_left_to_the_shell(tmp_path: Path) -> None:
    for words in (["validate"], ["fmt"], ["simulate"], ["diff", "a.dot"], ["convert"], ["render"]):
        assert complete(tmp_path, *words, "pip") == ["file,pip"], words
    (tmp_path / "runs" / "01AN4Z07BY79KA1307SR9X4MV3").mkdir(parents=True)
    assert complete(tmp_path, "render", "la") == ["file,la", "latest"]


def test_errors_complete_nothing_in_silence(tmp_path: Path) -> None:
    (tmp_path / "attractor.toml").write_text("runs_dir = [broken")
    for words in (["status", ""], ["run", "--suite", ""], ["cancel", "01"]):
        assert complete(tmp_path, *words) == []
