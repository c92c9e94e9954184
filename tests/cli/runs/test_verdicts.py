"""A verdict as JUnit and as Markdown."""

from xml.etree import ElementTree

from attractor.cli.runs.verdicts import junit_text, markdown_text


def test_missing_verdict_is_a_failed_test() -> None:
    suite = ElementTree.fromstring(junit_text(None, 'not judged: "<x>"'))
    [case] = suite
    [failure] = case
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert failure.get("message") == 'not judged: "<x>"'


def test_text_of_others_ends_no_block() -> None:
    assert markdown_text("go", "a\n```\n# b").splitlines()[2:] == [
        "```text",
        "a",
        "` ` `",
        "# b",
        "```",
    ]
