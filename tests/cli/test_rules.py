"""`attractor rules`, used by people and by programs."""

import json

from attractor.language.linting.pages import page_names
from tests.cli.running import attractor
from tests.tables import table

REACHABILITY = """reachability (error)

Every node is reachable from the start.

What it does: follows all edges """


def test_rules_are_listed_and_have_pages() -> None:
    result = attractor("rules")
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    assert [line[0] for line in lines] == list(page_names())
    assert ["reachability", "error", "Every node is reachable from the start."] in lines
    assert ["dead_end", "warning", "Every node but the exit has an outgoing edge."] in lines
    result = attractor("rules", "reachability")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(REACHABILITY)
    assert "\n\nInstead:\n\n    digraph Example {\n" in result.stdout


def test_json_output_is_complete() -> None:
    listed = json.loads(attractor("rules", "--json").stdout)
    assert [one["rule"] for one in listed] == list(page_names())
    assert set(listed[0]) == {"rule", "severity", "sentence"}
    page = json.loads(attractor("rules", "dead_end", "--json").stdout)
    assert (page["rule"], page["severity"]) == ("dead_end", "warning")
    assert page["example"].startswith("digraph Example {")
    assert page["instead"].endswith("}")


@table("flags", [[], ["--json"]])
def test_unknown_rule_suggests_a_name(flags: list[str]) -> None:
    result = attractor("rules", "reachabilty", *flags)
    assert result.returncode == 2
    assert "did you mean reachability?" in result.stdout + result.stderr
