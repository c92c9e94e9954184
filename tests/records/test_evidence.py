"""The last words of the stages before a question."""

import asyncio
from dataclasses import replace
from pathlib import Path

from attractor.records.evidence import LONGEST, MOST_LINES, StageWords, words_before
from attractor.records.summary import summarize
from tests.pipeline.projects import open_project, simulated, start

PIPELINE = """digraph p {
  start [shape=Mdiamond]; exit [shape=Msquare]
  old  [shape=parallelogram, tool_command="echo old"]
  say  [shape=parallelogram, tool_command="seq 5000; printf '\\\\033[31mred\\\\033[0m\\\\n'"]
  none [shape=parallelogram, tool_command="true"]
  plan [label="Plan it"]
  gate [shape=hexagon, label="Go on?"]
  start -> old -> say -> none -> plan -> gate -> exit
}"""


def test_last_two_stages_with_words_are_shown_newest_first(tmp_path: Path) -> None:
    (tmp_path / "pipeline.dot").write_text(PIPELINE)
    request = replace(simulated(tmp_path, workspace="none"), interviewer="park")
    root = asyncio.run(start(request, open_project(tmp_path))).directory
    [question] = summarize(root).questions
    plan, say = words_before(root, question)
    assert (plan.attempt, plan.node, plan.outcome) == ("plan@1.1", "plan", "success")
    assert plan.lines
    numbers = tuple(str(5001 - at) for at in range(MOST_LINES - 1, 0, -1))
    assert say == StageWords("say@1.1", "say", "success", (*numbers, "red"))
    assert len("".join(say.lines)) < LONGEST


def test_question_in_a_branch_shows_stages_of_its_branch(tmp_path: Path) -> None:
    text = """digraph p {
      start [shape=Mdiamond]; exit [shape=Msquare]
      fork [shape=component]; join [shape=tripleoctagon]
      left [shape=parallelogram, tool_command="echo left"]
      ask [shape=hexagon, label="Go on?"]
      right [shape=parallelogram, tool_command="sleep 0.3; echo right"]
      start -> fork; fork -> left -> ask -> join; fork -> right -> join -> exit
    }"""
    (tmp_path / "pipeline.dot").write_text(text)
    request = replace(simulated(tmp_path, workspace="none"), interviewer="park")
    root = asyncio.run(start(request, open_project(tmp_path))).directory
    [question] = summarize(root).questions
    assert [words.lines for words in words_before(root, question)] == [("left",)]
