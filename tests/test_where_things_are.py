"""The page of questions names modules that exist, at most three for each question."""

import re

from tests.examples import ROOT

PAGE = ROOT / "docs" / "explanation" / "where-things-are.md"
MODULE = re.compile(r"\[([^\]]+)\]\(\.\./\.\./attractor/([^)]+)\)")


def test_each_question_names_at_most_three_existing_modules() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if "?" in line and "|" in line]
    assert len(rows) >= 40
    for row in rows:
        links = MODULE.findall(row)
        assert 1 <= len(links) <= 3, row
        assert [text for text, target in links if text != target] == [], row
        missing = [text for text, _ in links if not (ROOT / "attractor" / text).is_file()]
        assert missing == [], row
