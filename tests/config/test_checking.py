from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.base.toml import KeyPath
from attractor.config.checking import check
from attractor.config.errors import UnknownSetting
from attractor.config.origins import Origin, OriginKind
from attractor.config.settings import Settings
from attractor.config.sources import Source
from tests.config.models import Everything
from tests.counts import count

BASE = Path("/base")
PROJECT = Origin(OriginKind.PROJECT, "attractor.toml")
VARIABLE = Origin(OriginKind.VARIABLE, "ATTRACTOR_SWITCH")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Everything.model_fields, "low", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


def test_good_values_and_mistakes_are_told_apart():
    values = {"runs_dir": "r", "output": {"color": "never", "x": 1}}
    found, mistakes = check(Source(PROJECT, BASE, values), Settings, home="")
    assert {one.path: one.value for one in found} == {
        ("runs_dir",): BASE / "r",
        ("output", "color"): "never",
    }
    assert [type(mistake) for mistake in mistakes] == [UnknownSetting]


def test_mistakes_stand_in_the_order_of_the_lines():
    lines: dict[KeyPath, int] = {("a",): 3, ("b",): 1, ("c",): 2}
    source = Source(PROJECT, BASE, {"a": 1, "b": 1, "c": 1}, lines)
    _, mistakes = check(source, Settings, home="")
    assert [one.origin.line for one in mistakes if one.origin] == [1, 2, 3]


@pytest.mark.parametrize("text", ["true", "1", "on"])
def test_only_what_comes_as_a_text_is_read_as_something_else(text: str):
    [switch], _ = check(Source(VARIABLE, BASE, {"switch": text}), Everything, home="")
    assert switch.value is True
    _, [mistake] = check(Source(PROJECT, BASE, {"switch": text}), Everything, home="")
    assert "switch" in mistake.message


@settings(max_examples=count(ci=100, full=2000), deadline=None)
@given(
    st.dictionaries(st.sampled_from([*Everything.model_fields, "x"]), VALUES, max_size=3),
    st.sampled_from([PROJECT, VARIABLE]),
)
def test_every_value_is_either_good_or_a_mistake_in_one_line(
    values: dict[str, object], origin: Origin
):
    found, mistakes = check(Source(origin, BASE, values), Everything, home="/home/me")
    assert {one.path[0] for one in found} <= set(values)
    assert all(len(mistake.message.splitlines()) == 1 for mistake in mistakes)
    assert bool(found or mistakes) == bool(values)
