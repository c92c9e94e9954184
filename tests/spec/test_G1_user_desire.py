"""G1: a UserDesire has a goal, and may have five other fields; unknown keys are errors."""

import pytest

from attractor.growth.desires import UserDesire, read_desire, read_planner_input
from attractor.growth.errors import InvalidDesire
from tests.tables import table

PLANNER_INPUT = {
    "spec_graph_id": "sg-001",
    "new_desires": [
        {
            "goal": "reserve tuesday contracts first",
            "constraints": ["phi compliant"],
            "outputs": ["packlists", "invoices"],
        }
    ],
}
"""The planner's input of the seed, verbatim."""

WHOLE = {
    "goal": "g",
    "constraints": ["c"],
    "trusted_sources": ["s"],
    "outputs": ["o"],
    "cadence": "daily",
    "preferences": ["p"],
}


def test_the_planner_input_of_the_seed_loads_verbatim() -> None:
    given = read_planner_input(PLANNER_INPUT)
    assert given.spec_graph_id == "sg-001"
    assert [one.to_dict() for one in given.new_desires] == PLANNER_INPUT["new_desires"]


def test_a_desire_has_the_six_fields_of_the_seed_and_needs_a_goal() -> None:
    assert read_desire(WHOLE).to_dict() == WHOLE
    assert list(UserDesire.model_fields) == list(WHOLE)
    assert read_desire({"goal": "g"}).to_dict() == {"goal": "g"}


@table(
    ("desire", "fault"),
    [
        ({"outputs": ["o"]}, "desire.goal"),
        ({"goal": ""}, "desire.goal"),
        ({"goal": "g", "constraint": ["c"]}, "desire.constraint"),
        ({"goal": "g", "outputs": "o"}, "desire.outputs"),
        ({"goal": "g", "cadence": 3}, "desire.cadence"),
    ],
)
def test_other_desires_are_refused(desire: object, fault: str) -> None:
    with pytest.raises(InvalidDesire, match=fault):
        read_desire(desire)
