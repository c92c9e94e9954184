"""Two paths are laid under each other, so that one sees where they part."""

from attractor.cli.paths import aligned


def test_where_paths_part_is_marked() -> None:
    assert aligned(["start", "plan", "exit"], ["start", "implement", "exit"], gap="...") == [
        "expected  start  plan       exit",
        "actual    start  implement  exit",
        "                 ^^^^^^^^^",
    ]


def test_a_gap_is_no_difference() -> None:
    assert aligned(["a", "...", "d"], ["a", "b", "c", "d"], gap="...") == [
        "expected  a  ...     d",
        "actual    a  b    c  d",
    ]


def test_what_is_missing_leaves_a_hole() -> None:
    assert aligned(["a", "b"], ["a"], gap="...") == [
        "expected  a  b",
        "actual    a",
        "             ^",
    ]


def test_long_paths_are_shown_from_where_they_part_in_lines_of_a_screen() -> None:
    path = [f"node{one}" for one in range(5000)]
    lines = aligned([*path[:4000], "other", *path[4000:]], path, gap="...")
    assert "node3997" in lines[0]
    assert "node3990" not in lines[0]
    assert any("other" in line for line in lines)
    assert len(lines) < 40
    assert max(map(len, lines)) <= 110


def test_equal_paths_are_shown_without_marks() -> None:
    assert aligned(["a"], ["a"], gap="...") == ["expected  a", "actual    a"]
