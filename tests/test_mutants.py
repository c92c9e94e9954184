"""Judgement of mutants: the share that tests kill, and survivors with a reason."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.mutants.__main__ import judge

KILLED, SURVIVED, NO_TESTS, ILL_TYPED = 1, 0, 33, 37
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
