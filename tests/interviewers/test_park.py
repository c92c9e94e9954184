import asyncio

import pytest

from attractor.engine.seams import Parked
from attractor.interviewers.park import Park
from tests.interviewers.questions import GATE, Terminal


def test_a_question_is_parked() -> None:
    terminal = Terminal()
    with pytest.raises(Parked) as caught:
        asyncio.run(Park(terminal.parts()).ask(GATE))
    assert caught.value.question is GATE
    assert terminal.output.getvalue() == ""
