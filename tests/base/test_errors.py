""""""

import inspect
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base import errors
from attractor.base.errors import AttractorError, ExitCode, NoGo, Refused, UnknownName, suggest

TREE = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, AttractorError)
]


def test_the_message_defaults_to_the_docstring() -> None:
    assert NoGo().message == str(NoGo()) == "The gate says no-go"
    assert str(NoGo("two scenarios failed")) == "two scenarios failed"


def test_the_message_of_a_class_without_docstring_is_that_of_the_class_above() -> None:
    class Bare(Refused):
        pass

    assert str(Bare()) == "Refused by a rule of the control plane"


def test_a_hint_belongs_to_the_class_or_to_the_one_error() -> None:
    class Cold(AttractorError):
        """It is cold."""

        hint = "light a fire"

    assert Cold().hint == "light a fire"
    assert Cold(hint="go in").hint == "go in"
    assert AttractorError().hint == ""


def test_the_cause_is_kept() -> None:
    reason = OSError("no space")
    with pytest.raises(AttractorError) as caught:
        raise Refused from reason
    assert caught.value.cause is reason


def test_an_unknown_name_is_a_key_error_that_reads_well() -> None:
    error = UnknownName("tool", "hamer", ["hammer", "saw"])
    assert isinstance(error, KeyError)
    assert str(error) == "unknown tool 'hamer'"
    assert error.hint == "did you mean hammer?"
    assert UnknownName("tool", "x", []).hint == "known: none"


def test_every_exit_code_says_what_it_means() -> None:
    assert {int(code): bool(code.meaning) for code in ExitCode} == dict.fromkeys(
        [0, 1, 2, 3, 4, 5, 6, 130], True
    )


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_the_tree_in_the_docstring_is_the_tree(kind: type[AttractorError]) -> None:
    drawn = re.findall(r"^([│├└─ ]*)(\w+) +(\d)  ", inspect.getdoc(errors) or "", re.M)
    depth = {name: len(lines) // 4 for lines, name, _ in drawn}
    code = {name: int(number) for _, name, number in drawn}
    assert code[kind.__name__] == kind.exit_code
    assert depth[kind.__name__] == len([one for one in kind.__mro__ if one in TREE]) - 1


def test_an_error_goes_to_another_process_with_all_it_says() -> None:
    error = UnknownName("tool", "hamer", ["hammer", "saw"])
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (UnknownName, str(error), vars(error))


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("docter", "doctor"),
        ("DOCTOR", "doctor"),
        ("validat", "validate"),
        ("vlaidate", "validate"),
        ("rum", "run"),
        ("dr", ""),
        ("output", ""),
        ("zebra", ""),
        ("", ""),
    ],
)
def test_the_nearest_word_is_suggested(word: str, near: str) -> None:
    assert suggest(word, ["doctor", "validate", "run"]) == near


def test_the_suggestion_is_written_as_the_known_word_is() -> None:
    assert suggest("mdiamund", ["Mdiamond", "Msquare"]) == "Mdiamond"


def test_a_word_of_a_million_letters_takes_no_time() -> None:
    assert suggest("x" * 1_000_000, ["doctor", "validate", "run"]) == ""


def test_nothing_is_suggested_when_nothing_is_known() -> None:
    assert suggest("doctor", []) == ""


@given(st.text("abcd", min_size=5, max_size=40), st.data())
def test_two_neighbours_that_were_swapped_and_a_letter_too_many_are_near(
    word: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(word) - 2))
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    assert suggest(f"{swapped}x", [word, "far from that"]) == word
