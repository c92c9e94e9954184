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


VALUES = """digraph G {
  a [shape=parallelogram, fidelity="summary:low", prompt="Work", retry_target=b, goal_gate=true]
  b [join_policy=quorum, type=exit, shape=egg, mine=box]
}"""


def of_value(word: str) -> str:
    line = next(at for at, one in enumerate(VALUES.split("\n"), 1) if word in one)
    column = VALUES.split("\n")[line - 1].index(word) + 1
    found = hover(Source(VALUES), line, column, graph=parse(VALUES))
    return found.text if found else ""


def test_a_value_says_what_it_means() -> None:
    assert of_value("parallelogram").startswith(
        "**parallelogram** (shape)\n\nA node of type `tool`"
    )
    assert of_value('"summary:low').startswith("**summary:low** (fidelity)\n\nA fresh session")
    assert of_value("quorum").startswith("**quorum** (join_policy)\n\nWhen a parallel node is done")
    assert of_value("true").startswith("**true** (goal_gate)\n\nWhether the exit stays shut")
    assert of_value("exit").startswith("**exit** (type)\n\nThe pipeline ends here")
    assert of_value("b, goal").startswith("**b** (exit)")


def test_words_of_an_authors_own_mean_nothing_here() -> None:
    assert of_value('"Work') == of_value("egg") == of_value("box]") == ""
