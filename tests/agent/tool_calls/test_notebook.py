import json

from attractor.agent.tool_calls.notebook import LONGEST_OUTPUT, notebook_lines
from attractor.base.json import Json
from tests.tables import table

CELLS: list[Json] = [
    {"cell_type": "markdown", "source": ["# Title\n", "text"]},
    {
        "cell_type": "code",
        "source": "x = 1\n\nprint(x)",
        "outputs": [
            {"output_type": "stream", "name": "stdout", "text": ["1\n", "2\n"]},
            {"output_type": "execute_result", "data": {"text/plain": "<Figure>", "image/png": ""}},
            {"output_type": "display_data", "data": {"image/png": "", "text/html": ""}},
            {"output_type": "error", "traceback": ["\x1b[0;31mValueError\x1b[0m", "at 1"]},
        ],
    },
    {"cell_type": "code", "source": [], "outputs": []},
]


def test_cells_are_shown_with_sources_and_text_outputs() -> None:
    assert notebook_lines(json.dumps({"nbformat": 4, "cells": CELLS})) == [
        "[cell 1: markdown]",
        "1.1 | # Title",
        "1.2 | text",
        "[cell 2: code]",
        "2.1 | x = 1",
        "2.2 | ",
        "2.3 | print(x)",
        *("[output of cell 2]", "1", "2"),
        *("[output of cell 2]", "<Figure>"),
        *("[output of cell 2]", "[image/png, text/html]"),
        *("[output of cell 2]", "ValueError", "at 1"),
        "[cell 3: code]",
    ]


def test_a_long_output_is_cut() -> None:
    output = {"text": "x" * (LONGEST_OUTPUT + 7)}
    lines = notebook_lines(json.dumps({"cells": [{"cell_type": "code", "outputs": [output]}]}))
    assert lines is not None
    assert lines[-2:] == ["x" * LONGEST_OUTPUT, "[... 7 characters omitted ...]"]


@table("text", ["", "x", "[1]", '{"cells": 1}', '{"worksheets": []}'])
def test_other_text_is_not_a_notebook(text: str) -> None:
    assert notebook_lines(text) is None


def test_unexpected_values_in_a_notebook_are_skipped() -> None:
    cells: list[Json] = [1, {}, {"cell_type": 2, "source": [3], "outputs": [4, {"data": {}}]}]
    assert notebook_lines(json.dumps({"cells": cells})) == [
        "[cell 1: unknown]",
        "[cell 2: unknown]",
        "[cell 3: unknown]",
        *("[output of cell 3]", ""),
        *("[output of cell 3]", "[nothing]"),
    ]
