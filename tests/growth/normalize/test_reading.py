import json

import pytest

from attractor.base.errors import AttractorError
from attractor.growth.desires import PlannerInput, UserDesire
from attractor.growth.normalize.reading import read_given
from attractor.growth.specification.graph import SpecGraph
from tests.growth.seed import FARM
from tests.tables import table

DESIRE = UserDesire(goal="sell eggs", outputs=("invoices",))


@table(
    ("text", "source", "given"),
    [
        ("goal: sell eggs\noutputs: [invoices]", "the text", (DESIRE,)),
        (json.dumps([DESIRE.to_dict()]), "desires.json", (DESIRE,)),
        ("- {goal: sell eggs, outputs: [invoices]}", "the text", (DESIRE,)),
        (r'{"goal": "sell \ud83e\udd5a"}', "d.json", (UserDesire(goal="sell 🥚"),)),
        (r'goal: "sell \ud83e\udd5a"', "the text", (UserDesire(goal="sell 🥚"),)),
        ("- sell eggs", "d.yaml", (UserDesire(goal="sell eggs"),)),
        ("- sell eggs\n- and hens", "the text", "- sell eggs\n- and hens"),
        ("Goal: sell eggs", "the text", "Goal: sell eggs"),
        ("Sell eggs: [daily", "wish.md", "Sell eggs: [daily"),
        (
            json.dumps({"spec_graph_id": "sg-1", "new_desires": [DESIRE.to_dict()]}),
            "input.json",
            PlannerInput(spec_graph_id="sg-1", new_desires=(DESIRE,)),
        ),
    ],
)
def test_the_form_of_a_text_is_recognized(text: str, source: str, given: object) -> None:
    assert read_given(text, source=source) == given


def test_a_document_is_recognized() -> None:
    assert isinstance(read_given(FARM, source="the text"), SpecGraph)


@table(
    ("text", "source", "fault"),
    [
        (" ", "the text", "the text is empty"),
        ("sell eggs", "d.yaml", "neither a document nor a desire"),
        ("goal: [", "d.json", "d.json: while parsing"),
        ("goal: sell: eggs", "the text", "the text: mapping values"),
        ('{"goal": "sell"', "the text", "the text: while parsing"),
        (r'{"goal": "sell", "cadence": "\ud83e"}', "d.json", r"d.json:1: half of a character in"),
        ('{\n"goal": "\\udd5a\\ud83e"}', "the text", r"the text:2: half of a character in"),
        ("goal: sell\ngaol: x", "the text", "desire.gaol"),
        ("purpose: sell", "d.yaml", "purpose: unknown key"),
        ("spec_graph_id: sg-1", "the text", "not an input of the planner"),
        ("spec_graph_id: sg-1\nnew_desires: [{gaol: x}]", "the text", "desire 1.g"),
    ],
)
def test_faults_are_named(text: str, source: str, fault: str) -> None:
    with pytest.raises(AttractorError) as caught:
        read_given(text, source=source)
    assert fault in caught.value.message
