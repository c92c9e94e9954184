import inspect
import pickle
import re

from hypothesis import given, strategies as st

from attractor.base import errors
from attractor.base.errors import AttractorError, ExitCode, NoGo, Refused, UnknownName, suggest
from tests.tables import table

TREE = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, AttractorError)
]


def test_default_message_is_the_docstring() -> None:
    assert NoGo().message == str(NoGo()) == "The verdict of the gate is no-go"
    assert str(NoGo("two scenarios failed")) == "two scenarios failed"


def test_default_message_is_inherited() -> None:
    class Bare(Refused):
        pass

    assert str(Bare()) == "The action is refused in the current state"


def test_hint_of_an_error_overrides_that_of_its_class() -> None:
    class Cold(AttractorError):
        """It is cold."""

        hint = "light a fire"

    assert Cold().hint == "light a fire"
    assert Cold(hint="go in").hint == "go in"
    assert AttractorError().hint == ""


def test_unknown_name_is_a_key_error_with_a_suggestion() -> None:
    error = UnknownName("tool", "hamer", ["hammer", "saw"])
    assert isinstance(error, KeyError)
    assert str(error) == "unknown tool 'hamer'"
    assert error.hint == "did you mean hammer?"
    assert UnknownName("tool", "x", []).hint == "known: none"


def test_every_exit_code_has_a_meaning() -> None:
    assert {int(code): bool(code.meaning) for code in ExitCode} == dict.fromkeys(
        [0, 1, 2, 3, 4, 5, 6, 130], True
    )


@table("kind", TREE)
def test_error_tree_in_the_docstring_is_correct(kind: type[AttractorError]) -> None:
    drawn = re.findall(r"^([│├└─ ]*)(\w+) +(\d)  ", inspect.getdoc(errors) or "", re.M)
    depth = {name: len(lines) // 4 for lines, name, _ in drawn}
    code = {name: int(number) for _, name, number in drawn}
    assert code[kind.__name__] == kind.exit_code
    assert depth[kind.__name__] == len([one for one in kind.__mro__ if one in TREE]) - 1


def test_error_can_be_pickled() -> None:
    error = UnknownName("tool", "hamer", ["hammer", "saw"])
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (UnknownName, str(error), vars(error))


def test_nearest_word_is_suggested() -> None:
    for word, near in (
        ("docter", "doctor"),
        ("DOCTOR", "doctor"),
        ("validat", "validate"),
        ("vlaidate", "validate"),
        ("rum", "run"),
        ("dr", ""),
        ("output", ""),
        ("zebra", ""),
        ("", ""),
    ):
        assert suggest(word, ["doctor", "validate", "run"]) == near


@given(st.text("abcd", min_size=5, max_size=40), st.data())
def test_word_with_swapped_letters_and_an_extra_one_is_near(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(word) - 2))
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    assert suggest(f"{swapped}x", [word, "far from that"]) == word
