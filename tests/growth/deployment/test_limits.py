"""A limit that records break is added, dropped and rolled back to; no record is lost."""

import urllib.error
from pathlib import Path

import pytest

from attractor.base.errors import Refused
from attractor.growth.api.plans import describe_simulation
from attractor.growth.development import DEVELOPMENT
from tests.growth.deployment.living import make_released
from tests.pipeline.projects import git

LIMIT = {"type": "add_limit", "entity": "Block", "name": "Few", "at_most": 1, "of": ["crop"]}
RISKS = """
[rules.add_limit]
risk = "low"
[rules.drop_limit]
risk = "low"
"""


def test_limit_that_records_break_holds_for_new_ones_and_drops_nothing(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app", is_generated=True)
    file = app.folder / DEVELOPMENT
    file.write_text(f"{file.read_text()}{RISKS}")
    git(app.folder, "commit", "--all", "--quiet", "--message", "Lower the risks")
    app.start({})
    app.post("/data/block", *({"id": f"b{number}", "crop": "rye"} for number in range(2, 6)))
    plan = app.plan(LIMIT)
    told = (
        "limit few: broken by 5 records, such as block/b1, block/b2, block/b3: nothing is dropped, "
        "it holds for new and changed records"
    )
    assert told in describe_simulation(app.plane, plan.id)["risks"]  # pyright: ignore
    app.decide(app.deploy(plan).run_id)
    app.deploy(plan)
    assert len(app.records()) == 5
    with pytest.raises(urllib.error.HTTPError, match="409"):
        app.post("/data/block", {"id": "b6", "crop": "rye"})
    with pytest.raises(Refused, match="block.crop' is in use: few limits it"):
        app.plan({"type": "drop_field", "entity": "Block", "field": "crop"})
    app.grow({"type": "drop_limit", "limit": "Few"})
    app.post("/data/block", {"id": "b6", "crop": "rye"})
    app.decide(app.roll_back().run_id)
    assert app.roll_back().broken == (told.replace("5 records", "6 records"),)
    assert len(app.records()) == 6
    app.stop()
