import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.language.folders import folder_name
from attractor.language.patterns import IDENTIFIER


@pytest.mark.parametrize(
    ("node_id", "name"),
    [
        ("plan_2", "plan_2"),
        ("a b", "a%20b"),
        ("../etc", "%2E%2E%2Fetc"),
        (".hidden", "%2Ehidden"),
        ("a~b", "a%7Eb"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("2nd", "2nd"),
        ("my-node", "my-node"),
        ("", "%"),
        ("%2E", "%252E"),
    ],
)
def test_the_folder_of_a_node(node_id: str, name: str) -> None:
    assert folder_name(node_id) == name


def test_a_long_id_is_cut_and_ends_in_a_hash() -> None:
    names = {folder_name("a" * length) for length in range(95, 140)}
    assert len(names) == 45
    assert folder_name("a" * 101) == f"{'a' * 83}~{folder_name('a' * 101)[-16:]}"


@given(st.text())
def test_a_name_is_safe_on_every_file_system(node_id: str) -> None:
    name = folder_name(node_id)
    assert 0 < len(name.encode("ascii")) <= 100
    assert not set("/.\\\0 ") & set(name)
    assert name == node_id or not IDENTIFIER.fullmatch(name) or len(node_id) > 100


@given(st.text(), st.text())
def test_two_ids_never_share_a_folder(one: str, other: str) -> None:
    assert (folder_name(one) == folder_name(other)) is (one == other)
