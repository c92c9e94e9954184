import shlex

from hypothesis import given
from hypothesis import strategies as st

from attractor.pipeline.answer_commands import answer_command


def test_the_question_is_named_where_it_is_given() -> None:
    assert answer_command("R", "Y") == "attractor answer R Y"
    assert answer_command("R", "Y", question="g@1.1") == "attractor answer R --question g@1.1 Y"
    assert answer_command("R", "", question="g@1.1") == "attractor answer R --question g@1.1"
    assert answer_command("R", "") == "attractor answer R"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
def test_a_shell_reads_the_answer_as_it_was_and_never_as_an_option(said: str) -> None:
    *words, last = shlex.split(answer_command("R", said))
    assert last == said
    assert (words[-1] == "--") is said.startswith("-")
