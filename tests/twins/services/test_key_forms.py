import pytest

from attractor.twins.services.key_forms import KeyFinder

KEY = 'k-"1/ü 9'


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        "k%2D%221%2fü%209",
        "k-%22" + "1%2F%C3%BC+9",
        "k%252D%25221%252F%25C3%25BC%25209",
        r"k\u002d\"1\/\u00FC 9",
        r"\\u006b-\\\"1/\\u00fc 9",
    ],
)
def test_a_key_is_found_however_it_is_written(written: str) -> None:
    assert KeyFinder([KEY]).hide(f"<{written}>") == "<[hidden]>"


def test_other_texts_stay_and_the_longest_key_is_hidden_first() -> None:
    keys = KeyFinder(["abcdef", "abcdefgh", ""])
    assert keys.hide("abcdefgh %61bcdef 100% a+b") == "[hidden] [hidden] 100% a+b"
