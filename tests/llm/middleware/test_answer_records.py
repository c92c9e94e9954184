import json

import pytest
from hypothesis import given

from attractor.llm import Response
from attractor.llm.middleware.answer_records import read_answer, write_answer
from tests.llm.middleware.answers import answers


@given(answers)
def test_an_answer_comes_back_as_it_was(answer: Response) -> None:
    again = read_answer(write_answer(answer))
    assert again == answer
    # Equal objects may differ in the order of their keys; what is given back to a provider may not.
    assert repr(again) == repr(answer)


def test_what_is_no_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="no answer"):
        read_answer(json.dumps({"is": "Usage"}))
