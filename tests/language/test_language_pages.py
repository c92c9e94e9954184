"""The pipelines on the pages of the language are pipelines."""

import re
from pathlib import Path

from attractor.language.conditions.parse import parse_condition
from attractor.language.formatter import format
from attractor.language.preparation.prepare import KnownFiles, prepare
from tests.tables import table

REFERENCE = Path(__file__).parent.parent.parent / "docs" / "reference"
PAGES = ["conditions.md", "stylesheets.md", "prompts-and-inputs.md", "imports.md"]
FENCE = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<name>[^"]*)")?\n(?P<text>.*?)^```$', re.M | re.S
)


@table("page", PAGES)
def test_every_pipeline_on_the_page_is_sound(page: str) -> None:
    found = list(FENCE.finditer((REFERENCE / page).read_text("utf-8")))
    files = {one["name"]: one["text"].encode() for one in found if one["name"]}
    pipelines = [one["text"] for one in found if one["language"] == "dot"]
    assert pipelines
    for text in pipelines:
        # A file in another folder names others relative to that folder.
        if '"@judge.md"' in text:
            continue
        prepared = prepare(text, files=KnownFiles(files), inputs={})
        assert [one.message for one in prepared.diagnostics if one.is_error] == []
        assert prepared.graph is not None
        assert format(prepared.graph)


def test_page_documents_the_precedence_of_operators() -> None:
    page = (REFERENCE / "conditions.md").read_text("utf-8")
    written, meant = "!a=1 && b=2 || c", "((!(a=1)) && b=2) || c"
    assert f"`{written}` is `{meant}`" in page
    assert parse_condition(written) == parse_condition(meant)
