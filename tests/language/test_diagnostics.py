import pytest

from attractor.language.diagnostics import one_slip, suggester


def test_the_nearest_name_is_suggested() -> None:
    ask = suggester(["review", "plan"])
    assert [ask("reveiw"), ask("zzz")] == ["did you mean review?", ""]


def test_after_enough_work_it_is_silent_but_remembers() -> None:
    ask = suggester(f"node_{i}" for i in range(9_000))
    assert ask("nod_1") == ask("nod_1") == "did you mean node_1?"
    assert ask("nod_2") == "did you mean node_2?"
    assert ask("nod_3") == ""
    assert ask("nod_1") == "did you mean node_1?"


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
def test_typo_is_distinguished_from_another_word(word: str, meant: str) -> None:
    assert one_slip(word, KNOWN) == meant


def test_between_two_words_nothing_is_decided() -> None:
    assert one_slip("mailer", ("mailed", "mailes")) == ""
