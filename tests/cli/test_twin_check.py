import json
import shutil
from pathlib import Path

import pytest

from tests.cli.running import ROOT, attractor

PAYMENTS = ROOT / "examples" / "twins" / "payments"


@pytest.fixture
def payments(tmp_path: Path) -> Path:
    return shutil.copytree(PAYMENTS, tmp_path / "payments")


def test_matching_twin_exits_with_0(payments: Path) -> None:
    result = attractor("twin", "check", "payments", folder=payments.parent)
    assert result.returncode == 0
    assert result.stdout == "payments/recordings/refund.jsonl: equal, 6 requests\n"


def test_differences_from_recordings_are_listed(payments: Path) -> None:
    recording = payments / "recordings" / "refund.jsonl"
    recording.write_text(recording.read_text().replace("declined", "").replace("eur", "usd"))
    words = ("twin", "check", "payments/twin.toml", "payments/recordings/refund.jsonl")
    result = attractor(*words, folder=payments.parent)
    assert result.returncode == 1
    assert result.stdout.splitlines()[:3] == [
        "payments/recordings/refund.jsonl: 2 of 6 requests differ",
        "  2. POST /v1/charges",
        '     $.currency: recorded "usd", twin "eur"',
    ]
    record = json.loads(attractor(*words, "--json", folder=payments.parent).stdout)
    (one,) = record["recordings"]
    assert (record["service"], one["equal"], len(one["requests"])) == ("payments", False, 6)
    difference = {"where": "$.currency", "recorded": '"usd"', "twin": '"eur"'}
    assert one["requests"][1] == {
        "number": 2,
        "method": "POST",
        "path": "/v1/charges",
        "differences": [difference],
    }
    loose = attractor(*words, "--ignore", "$.currency", folder=payments.parent)
    assert loose.returncode == 0


def test_invalid_files_exit_with_2(payments: Path) -> None:
    def error_of(*words: str) -> str:
        result = attractor("twin", "check", *words, folder=payments.parent)
        assert result.returncode == 2
        return result.stderr

    (payments / "r.jsonl").write_text("{}")
    assert "r.jsonl:1: request: Field required" in error_of("payments", "payments/r.jsonl")
    assert "$.data[*].id" in error_of("payments", "--ignore", "id")
    assert "does not exist" in error_of("payments", "payments/none.jsonl")
    shutil.rmtree(payments / "recordings")
    assert "no recordings in" in error_of("payments")
    (payments / "twin.toml").write_text("name = 1")
    assert "twin.toml:1: name = 1 should be a valid string" in error_of("payments")
    (payments / "twin.toml").write_text("name = 1\nnmae = 2")
    mistakes = error_of("payments").splitlines()
    assert mistakes[-1].startswith("error: payments/twin.toml:2: unknown key nmae")
    assert all(mistake.startswith("error: ") for mistake in mistakes)
