import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import Json
from attractor.twins.services.json_paths import JsonPath, places, written_place

VALUE: Json = {"id": 1, "data": [{"id": 2}, {"id": 3, "a b": {"id": 4}}]}
NAMES = st.text(st.characters(exclude_characters='"'))
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.integers(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)
)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.id", [1]),
        ("$.data[1].id", [3]),
        ("$.data[*].id", [2, 3]),
        ("$.*", [1, [{"id": 2}, {"id": 3, "a b": {"id": 4}}]]),
        ("$..id", [1, 2, 3, 4]),
        ("$.data[1]['a b'].id", [4]),
        ("$.nothing", []),
        ("$", [VALUE]),
    ],
)
def test_a_path_finds_what_it_means(path: str, found: list[Json]) -> None:
    assert JsonPath(path).find(VALUE) == found


@given(VALUES)
def test_the_written_place_of_every_value_finds_it(value: Json) -> None:
    for place, there in places(value):
        path = JsonPath(written_place(place))
        assert path.means(place)
        assert there in path.find(value)


@pytest.mark.parametrize("written", ["id", "$id", "$.", "$[a]", "$.a[", ""])
def test_what_is_no_path_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="path"):
        JsonPath(written)
