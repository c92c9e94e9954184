from attractor.agent.patch.matching import MOST_PLACES, LineMatch, find_all_lines, find_lines
from tests.tables import table

FILE = ["def f():\n", "    x = 1\n", "    y = 2\n", "\n", "def g():\n", "    x = 1\n"]


@table(
    ("wanted", "start", "at_end", "place"),
    [
        (["    x = 1"], 0, False, 1),
        (["    x = 1"], 2, False, 5),
        (["    x = 1"], 0, True, 5),
        (["    x = 1", "    y = 2"], 0, True, None),
        (["def f():", "    x = 1   "], 0, False, 0),
        (["def f():", "x = 1"], 0, False, 0),
        (["def   f():"], 0, False, 0),
        (["    y = 3"], 0, False, None),
        (["x"] * 7, 0, False, None),
        ([], 3, False, 3),
    ],
)
def test_lines_are_found(wanted: list[str], start: int, at_end: bool, place: int | None) -> None:
    assert find_lines(FILE, wanted, start=start, at_end=at_end) == place


def test_strict_match_overrides_an_earlier_loose_match() -> None:
    assert find_lines(["  x\n", "x\n"], ["x"]) == 1


@table(
    ("held", "wanted"),
    [
        ("“a” – it’s\n", '"a" - it\'s'),
        ("a\u00a0b\n", "a b"),
        ("a  b c\n", "a b  c"),
        ("a\r\n", "a"),
        ("a", "a\r"),
    ],
)
def test_similar_characters_and_spaces_match(held: str, wanted: str) -> None:
    assert find_lines([held], [wanted]) == 0


@table(
    ("wanted", "places", "ignored"),
    [
        (["    x = 1"], (1, 5), ""),
        (["    x = 1 "], (1, 5), "white space at the end of lines"),
        (["\tx = 1"], (1, 5), "indentation"),
        (["    y  =  2"], (2,), "white space, quotes or dashes"),
    ],
)
def test_all_matches_of_the_strictest_kind_are_found(
    wanted: list[str], places: tuple[int, ...], ignored: str
) -> None:
    assert find_all_lines(FILE, wanted) == LineMatch(places, ignored)


def test_line_ends_are_ignored_and_empty_lines_match() -> None:
    assert find_all_lines(["a\r\n"], ["a"]) == LineMatch((0,), "")
    assert find_all_lines(["\n"] * 3, [""]) == LineMatch((0, 1, 2), "")


def test_search_among_equal_lines_is_linear() -> None:
    file = ["  x\n"] * 100_000
    assert find_all_lines(file, [*["x"] * 50_000, "y"]) is None
    found = find_all_lines(file, ["x"] * 50_000)
    assert found == LineMatch(tuple(range(MOST_PLACES)), "indentation")
