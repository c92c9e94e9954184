"""Judgement of mutants: the share that tests kill, and survivors with a reason."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.mutants.__main__ import judge
from tests.mutants.plugin import MUTANT, pytest_configure
from tests.mutants.run import skip_all_but

KILLED, SURVIVED, NO_TESTS, SKIPPED, ILL_TYPED = 1, 0, 33, 34, 37
SURVIVOR = "room/part.py: Part.grow: return a + 2"
LISTED = {"equivalent": ["room/part.py: Part.grow: *** + 2"]}


def make(folder: Path, codes: Mapping[str, int | None]) -> Path:
    """Write a module with mutants, and their results, as mutmut does."""
    file = folder / "attractor" / "room" / "part.py"
    file.parent.mkdir(parents=True)
    methods = [
        f"    def xǁPartǁgrow__mutmut_{number}(self, a):\n        return a + {number}\n"
        for number in ("orig", *range(1, len(codes) + 1))
    ]
    file.write_text("".join(["class Part:\n", *methods]))
    named = {f"attractor.room.part.xǁPartǁgrow__mutmut_{one}": code for one, code in codes.items()}
    file.with_suffix(".py.meta").write_text(json.dumps({"exit_code_by_key": named}))
    return folder


@pytest.mark.parametrize(
    ("second", "others", "listed", "status"),
    [
        (SURVIVED, KILLED, LISTED, 0),
        (NO_TESTS, KILLED, LISTED, 0),
        (SURVIVED, KILLED, {}, 1),
        (SURVIVED, ILL_TYPED, LISTED, 1),
        (None, KILLED, LISTED, 1),
        (KILLED, KILLED, LISTED, 0),
    ],
)
def test_survivors_need_a_reason_and_must_be_few(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    second: int | None,
    others: int,
    listed: Mapping[str, list[str]],
    status: int,
) -> None:
    codes = {"1": KILLED, "2": second, **{str(one): others for one in range(3, 8)}}
    assert judge(make(tmp_path, codes), listed) == status
    printed = capsys.readouterr().out
    survives = second in (SURVIVED, NO_TESTS)
    assert (f"survivor without a reason: {SURVIVOR}\n" in printed) == (survives and not listed)
    assert ("no longer needed" in printed) == (not survives)


def test_an_area_leaves_out_mutants_and_reasons_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path, {"1": KILLED, "2": SKIPPED, "3": KILLED})
    assert judge(folder, LISTED, is_whole=False) == 0
    printed = capsys.readouterr().out
    assert "{'killed': 2}" in printed
    assert "no longer needed" not in printed


def test_a_sample_has_the_same_mutants_each_time(tmp_path: Path) -> None:
    samples: list[set[str]] = []
    for least in (0, 1):
        folder = make(tmp_path / str(least), {str(one): None for one in range(least, 90)})
        records = list(folder.rglob("*.py.meta"))
        skip_all_but(20, records)
        codes: dict[str, int | None] = json.loads(records[0].read_text())["exit_code_by_key"]
        assert set(codes.values()) == {None, SKIPPED}
        samples.append({name for name, code in codes.items() if code is None})
    assert [len(sample) for sample in samples] == [20, 20]
    assert len(samples[0] & samples[1]) >= 19


@pytest.mark.parametrize(("mutant", "is_inherited"), [("stats", False), ("part.grow_1", True)])
def test_a_process_of_a_test_has_the_mutant_and_records_nothing(
    monkeypatch: pytest.MonkeyPatch, mutant: str, is_inherited: bool
) -> None:
    monkeypatch.setenv(MUTANT, mutant)
    pytest_configure()
    assert (MUTANT in os.environ) == is_inherited
