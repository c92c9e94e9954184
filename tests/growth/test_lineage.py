from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.growth.errors import InvalidLineage
from attractor.growth.lineage import (
    DeployedStage,
    StageKind,
    draw_lineage,
    newest,
    next_stage,
    read_stages,
    rollback_stage,
    write_stage,
)
from attractor.growth.morph import Level, Risk, read_morph
from attractor.growth.plans.plan import Plan, PlannedMorph
from tests.growth.seed import farm
from tests.tables import table

SMALL = {"type": "add_source", "name": "new"}
MATURE = {"type": "declare_maturity"}


def plan_of(*morphs: dict[str, str], risk: Risk = Risk.LOW, level: Level = Level.MECHANISM) -> Plan:
    planned = [PlannedMorph(read_morph(one), "plate", level, risk) for one in morphs]
    return Plan("gp-1", farm(), tuple(planned), (), "hash")


def grown(*plans: Plan, before: Sequence[DeployedStage] = ()) -> list[DeployedStage]:
    stages = [*before]
    for plan in plans:
        stages.append(next_stage(stages, plan))
    return stages


def test_versions_follow_the_kinds_of_stages() -> None:
    small, large = plan_of(SMALL), plan_of(SMALL, risk=Risk.HIGH)
    stages = grown(small, large, small, plan_of(MATURE), small, small, large, small)
    assert [(one.stage, one.kind.value) for one in stages] == [
        ("v0", "seed"),
        ("v0-2", "juvenile"),
        ("v0-3", "juvenile"),
        ("v1-0", "mature"),
        ("v1-1", "minor"),
        ("v1-2", "minor"),
        ("v2-0", "major"),
        ("v2-1", "minor"),
    ]


@table(
    ("plan", "kind"),
    [
        (plan_of(SMALL, risk=Risk.MEDIUM), StageKind.MINOR),
        (plan_of(SMALL, risk=Risk.HIGH), StageKind.MAJOR),
        (plan_of(SMALL, level=Level.POLICY), StageKind.MAJOR),
        (plan_of({"type": "drop_entity", "entity": "block", "erase": "true"}), StageKind.MAJOR),
    ],
)
def test_minor_stage_is_mechanism_of_medium_risk_and_reversible(
    plan: Plan, kind: StageKind
) -> None:
    mature = grown(plan_of(SMALL), plan_of(MATURE))
    assert next_stage(mature, plan).kind is kind


def test_maturity_is_declared_once_and_in_a_plan_of_its_own() -> None:
    with pytest.raises(UsageError, match="beside other morphs"):
        grown(plan_of(SMALL), plan_of(MATURE, SMALL))
    with pytest.raises(UsageError, match="declared once"):
        grown(plan_of(SMALL), plan_of(MATURE), plan_of(MATURE))
    with pytest.raises(UsageError, match="needs a stage before"):
        grown(plan_of(MATURE))


def test_variants_have_letters_and_go_on_by_themselves() -> None:
    small = plan_of(SMALL)
    main = grown(small, small)
    first = next_stage(main, small, is_variant=True)
    assert (first.stage, first.kind, first.parent) == ("v0-2a", StageKind.VARIANT, "v0-2")
    branch = grown(small, small, plan_of(SMALL), before=[*main, first])
    assert [one.stage for one in branch[3:]] == ["v0-2a-2", "v0-2a-3", "v0-2a-4"]
    assert next_stage(branch[:4], small, is_variant=True).stage == "v0-2a-2a"


def test_roll_back_is_a_stage_forward() -> None:
    small, large = plan_of(SMALL), plan_of(SMALL, risk=Risk.HIGH)
    young = grown(small, small, small)
    back = rollback_stage(young, young[0])
    assert (back.stage, back.kind, back.parent) == ("v0-4", StageKind.JUVENILE, "v0-3")
    assert (back.returns_to, back.spec_hash) == ("v0", young[0].spec_hash)
    old = grown(plan_of(MATURE), small, large, before=young)
    assert rollback_stage(old[:-1], old[-3]).stage == "v1-2"
    assert rollback_stage(old, old[-2]).stage == "v3-0"
    with pytest.raises(UsageError, match="is a roll-back"):
        rollback_stage([*young, back], young[1])
    with pytest.raises(UsageError, match="newest stage"):
        rollback_stage(young, young[-1])


def test_stages_are_files_of_the_repository(tmp_path: Path) -> None:
    stages = grown(plan_of(SMALL), plan_of(SMALL), plan_of(MATURE))
    for one in stages:
        write_stage(one, tmp_path)
    assert read_stages(tmp_path) == stages
    assert newest(stages).plan["morphs"]
    file = tmp_path / "spec" / "lineage" / "v0-2.json"
    whole = file.read_text()
    for broken in (
        whole.replace('"v0-2"', '"v0-3"'),
        whole.replace('"juvenile"', '"adult"'),
        whole.replace('"v0"', '"v9"'),
        "[]",
        "{",
    ):
        file.write_text(broken)
        with pytest.raises(InvalidLineage):
            read_stages(tmp_path)


def test_lineage_with_two_ends_is_refused() -> None:
    main = grown(plan_of(SMALL), plan_of(SMALL))
    other = next_stage(main, plan_of(SMALL), is_variant=True)
    with pytest.raises(InvalidLineage, match="one newest stage"):
        newest([*main[:1], *main[1:], other, next_stage(main, plan_of(SMALL))])


def test_drawing_names_each_stage_once() -> None:
    small = plan_of(SMALL)
    main = grown(small, small, small, plan_of(MATURE), small)
    variants = [next_stage(main[:2], small, is_variant=True)]
    variants += [next_stage(main[:3], small, is_variant=True)]
    lines = draw_lineage([*main, *variants]).splitlines()
    names = [line.split("[")[0].split()[-1] for line in lines[1:]]
    assert sorted(names) == ["J1", "J2", "M1", "M2", "Seed", "VarA", "VarB"]
