"""What is said of what stands under the cursor."""

from attractor.language import parse, prepare
from attractor.language.editing.hovering import hover
from attractor.language.sources import Source

TEXT = 'digraph G {\n  plan [label="The plan", prompt="Think"]\n  plan -> done [foo=1]\n}'


def told(line: int, column: int, *, page: str = "") -> str:
    found = hover(
        Source(TEXT),
        line,
        column,
        graph=parse(TEXT),
        diagnostics=prepare(TEXT).diagnostics if page else (),
        page=lambda rule: page,
    )
    return found.text if found else ""


def test_an_attribute_says_what_it_is_for() -> None:
    assert told(2, 28).startswith("**prompt**\n\nThe instruction for the stage")


def test_a_node_says_what_it_does() -> None:
    assert told(2, 4) == "**plan** (codergen)\n\nThe plan\n\nThink"
    assert told(3, 4) == told(2, 4)


def test_where_a_rule_speaks_its_page_is_shown() -> None:
    assert told(3, 18, page="Why not") == "**unknown_attribute**\n\nWhy not"


def test_elsewhere_nothing_is_said() -> None:
    assert told(1, 1) == ""
