"""G13: the lineage of an app, drawn as the seed draws it."""

from attractor.growth.lineage import DeployedStage, draw_lineage, next_stage
from attractor.growth.morph import Risk
from tests.growth.test_lineage import MATURE, SMALL, plan_of

SEED = """\
graph TD
  Seed[Seed v0]
  Seed --> J1[Juvenile v0-2]
  J1 --> M1[Mature v1-0]
  J1 --> VarA[Variant v0-2a]
  M1 --> M2[Minor evolve v1-1]
  M1 -. major -.-> Mj2[Major evolve v2-0]
"""


def test_lineage_of_the_seed_is_reproduced_byte_for_byte() -> None:
    small, large = plan_of(SMALL), plan_of(SMALL, risk=Risk.HIGH)
    stages: list[DeployedStage] = []
    for plan in (small, small, plan_of(MATURE)):
        stages.append(next_stage(stages, plan))
    branches = [
        next_stage(stages[:2], small, is_variant=True),
        next_stage(stages, small),
        next_stage(stages, large),
    ]
    assert draw_lineage([*branches, *stages]) == SEED
