import pytest

from attractor.language.slips import one_slip

KNOWN = ("prompt", "label", "step1", "max_retries", "full")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("promt", "prompt"),
        ("prompts", "prompt"),
        ("pronpt", "prompt"),
        ("rpompt", "prompt"),
        ("prmopt", "prompt"),
        ("Prompt", "prompt"),
        ("fulll", "full"),
        ("max_retires", "max_retries"),
        ("prmt", ""),
        ("pmorpt", ""),
        ("step2", ""),
        ("step12", ""),
        ("step", ""),
        ("ful", ""),
        ("", ""),
    ],
)
def test_a_slip_is_told_from_another_word(word: str, meant: str) -> None:
    assert one_slip(word, KNOWN) == meant


def test_between_two_words_nothing_is_decided() -> None:
    assert one_slip("mailer", ("mailed", "mailes")) == ""
