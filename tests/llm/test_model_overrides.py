from attractor.llm.model_info import ModelInfo
from attractor.llm.model_overrides import OVERRIDES, put_over, read_overrides

KNOWN = ModelInfo(id="m", provider="p", display_name="m", input_cost_per_million=1.0)
SAID = """
[aliases.p]
short = "m"
lost = "nobody"
[models.p."m"]
display_name = "The M"
[models.p."new"]
context_window = 1000
[models.p."gone"]
display_name = "Gone"
"""


def test_what_we_say_stands_over_the_table_field_by_field() -> None:
    model, _ = put_over([KNOWN], read_overrides(SAID))
    assert model == ModelInfo(
        id="m",
        provider="p",
        display_name="The M",
        input_cost_per_million=1.0,
        aliases=("short",),
    )


def test_a_model_that_is_wholly_said_is_added_and_a_mere_name_for_one_is_not() -> None:
    assert [one.id for one in put_over([KNOWN], read_overrides(SAID))] == ["m", "new"]


def test_of_two_of_one_name_the_first_counts() -> None:
    other = ModelInfo(id="m", provider="p", display_name="other")
    assert put_over([KNOWN, other], read_overrides("")) == [KNOWN]
    elsewhere = ModelInfo(id="m", provider="q", display_name="m")
    assert put_over([KNOWN, elsewhere], read_overrides("")) == [KNOWN, elsewhere]


def test_the_shipped_short_names_are_each_of_one_model() -> None:
    aliases = read_overrides(OVERRIDES.read_text("utf-8")).aliases
    names = [name for of_provider in aliases.values() for name in of_provider]
    assert len(names) == len(set(names)) > 3
