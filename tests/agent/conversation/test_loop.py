from attractor.agent.conversation.loop import detect_loop
from tests.tables import table


@table(
    ("calls", "window", "found"),
    [
        ("aaaaaaaaaa", 10, True),
        ("ababababab", 10, True),
        ("abcabcabca", 10, True),
        ("abcdabcdab", 10, False),
        ("aaaaaaaaab", 10, False),
        ("xyzaaaaaaaaaa", 10, True),
        ("aaaaaaaaa", 10, False),
        ("abc", 3, False),
        ("aaa", 3, True),
        ("ab", 2, False),
        ("a", 1, False),
        ("", 10, False),
    ],
)
def test_a_repeated_pattern_of_up_to_three_calls_is_a_loop(
    calls: str, window: int, found: bool
) -> None:
    assert detect_loop(list(calls), window) is found
