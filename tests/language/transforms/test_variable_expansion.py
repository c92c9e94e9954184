from collections.abc import Mapping

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import KnownFiles, TransformContext, prepare
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import quoted
from attractor.language.transforms.prompt_files import PromptFiles
from attractor.language.transforms.variable_expansion import VariableExpansion
from tests.tables import table

DECLARED = "ticket, branch=main, count:int=3, token:secret"


def applied(
    prompt: str,
    inputs: Mapping[str, str] | None = None,
    *,
    declared: str = DECLARED,
    files: Mapping[str, bytes] | None = None,
) -> tuple[Graph, list[Diagnostic], str]:
    text = f"digraph G {{ goal=it; inputs={quoted(declared)}; a [prompt={quoted(prompt)}] }}"
    context = TransformContext(files=KnownFiles(files or {}), inputs=inputs)
    graph = PromptFiles(context).apply(parse(text))
    graph = VariableExpansion(context).apply(graph)
    assert all(one.rule == "known_input" for one in context.found)
    assert all(one.severity is Severity.ERROR for one in context.found)
    return graph, context.found, text


def expanded(prompt: str, inputs: Mapping[str, str] | None = None) -> str:
    graph, found, _ = applied(prompt, inputs)
    assert found == []
    return graph.nodes["a"].prompt


@table(
    ("prompt", "text"),
    [
        ("Fix ${inputs.ticket} on ${inputs.branch}.", "Fix T-1 on main."),
        ("${inputs.ticket}${inputs.ticket} $goal", "T-1T-1 it"),
        ("${inputs.count} times", "3 times"),
        ("$inputs.ticket ${goal} ${other} $$", "$inputs.ticket ${goal} ${other} $$"),
    ],
)
def test_inputs_are_put_into_prompts(prompt: str, text: str) -> None:
    assert expanded(prompt, {"ticket": "T-1"}) == text


def test_values_are_put_in_once() -> None:
    given = {"ticket": "$goal ${inputs.branch} \\1", "branch": "${inputs.ticket}"}
    assert expanded("${inputs.ticket}", given) == "$goal ${inputs.branch} \\1"
    assert expanded("${inputs.ticket} for $goal") == "${inputs.ticket} for it"
    assert expanded("${inputs.ticket}", {}) == "${inputs.ticket}"


@table("inputs", [None, {"ticket": "T-1"}])
@table(
    ("name", "fix"),
    [
        ("tikcet", "did you mean ticket?"),
        ("zzzzzz", "declare it on the graph, in inputs"),
        ("ticket.id", "did you mean ticket?"),
    ],
)
def test_undeclared_input_is_an_error_at_its_position(
    name: str, fix: str, inputs: Mapping[str, str] | None
) -> None:
    graph, (one,), text = applied(f"Fix ${{inputs.{name}}}!", inputs)
    assert one.message == f"undeclared input '{name}' in the prompt"
    assert (one.fix, one.node) == (fix, "a")
    assert text[one.span.column - 1 : one.span.end_column - 1] == f"${{inputs.{name}}}"
    assert graph.nodes["a"].prompt == f"Fix ${{inputs.{name}}}!"


@table("inputs", [None, {"token": "s3cret"}])
def test_a_secret_never_gets_into_a_prompt(inputs: Mapping[str, str] | None) -> None:
    graph, (one,), _ = applied("Use ${inputs.token}", inputs)
    assert one.message == "the secret token must not occur in a prompt"
    assert graph.nodes["a"].prompt == "Use ${inputs.token}"


def test_declaration_mistakes() -> None:
    _, found, text = applied("x", declared="a:int=x, b, b")
    assert [text[one.span.column - 1 : one.span.end_column - 1] for one in found] == ["x", "b"]
    assert found[0].message == "inputs: 'x' is not an integer"
    _, (one,), _ = applied("${inputs.tok} ${inputs.n}", declared="tok:secret=s, n")
    assert "the secret tok must not have a default" in one.message
    _, (one,), _ = applied("${inputs.n}", declared="n:integer")
    assert "unknown input type 'integer'" in one.message
    _, (one,), _ = applied("Use ${inputs.tokn}")
    assert one.fix == "declare it on the graph, in inputs"


def test_inputs_of_a_template_are_checked() -> None:
    template = b"{{ inputs.ticket }} $goal ${inputs.x} {{ inputs.tokens }} {{ inputs['token'] }}"
    graph, found, _ = applied("@t.j2", {"ticket": "T-1"}, files={"t.j2": template})
    assert graph.nodes["a"].prompt == template.decode()
    assert [one.message.split(",")[0] for one in found] == [
        "undeclared input 'tokens' in the prompt",
        "the secret token must not occur in a prompt",
    ]


def test_prompt_file_is_expanded_and_its_mistakes_point_at_the_name() -> None:
    files = {"p.md": b"Do $goal on ${inputs.branch} ${inputs.nope}"}
    graph, (one,), text = applied("@p.md", {}, files=files)
    assert graph.nodes["a"].prompt == "Do it on main ${inputs.nope}"
    assert text[one.span.column - 1 : one.span.end_column - 1] == '"@p.md"'


def test_only_prompts_are_expanded() -> None:
    text = 'digraph G { goal=it; a [tool_command="echo $goal ${inputs.x}", label="$goal"] }'
    context = TransformContext(inputs={})
    graph = parse(text)
    assert VariableExpansion(context).apply(graph) is graph
    assert context.found == []


@table("name", ["", " "])
def test_a_variable_may_name_no_input(name: str) -> None:
    _, (one,), text = applied(f"Fix ${{inputs.{name}}}!")
    assert one.message == "missing name of an input in the prompt"
    assert one.fix == "write ${inputs.NAME}"
    assert text[one.span.column - 1 : one.span.end_column - 1] == f"${{inputs.{name}}}"


def test_unknown_inputs_are_counted() -> None:
    prompt = 'a "b"\n${inputs.x} ${inputs.y} ${inputs.x} ${inputs.token} ' + "${inputs.x}" * 9_998
    graph, found, text = applied(prompt)
    assert [one.message for one in found] == [
        "undeclared input 'x' in the prompt (10000 times)",
        "undeclared input 'y' in the prompt",
        "the secret token must not occur in a prompt",
    ]
    places = [text[one.span.column - 1 : one.span.end_column - 1] for one in found]
    assert places == ["${inputs.x}", "${inputs.y}", "${inputs.token}"]
    assert graph.nodes["a"].prompt == prompt
    _, found, _ = applied(" ".join(f"${{inputs.x{one}}}" for one in range(1_000)))
    assert len({one.span.column for one in found}) == 1_000


def missing(text: str, goal: str = "") -> list[str]:
    whole = f"digraph G {{ start [shape=Mdiamond]; exit [shape=Msquare]; {text} }}"
    found = prepare(whole, goal=goal, files=KnownFiles({"plan.md": b"Plan $goal"})).diagnostics
    received = [one for one in found if one.rule == "goal_missing"]
    assert all(one.severity is Severity.WARNING and one.fix for one in received)
    return [whole[one.span.column - 1 : one.span.end_column - 1] for one in received]


def test_missing_goal_is_reported_where_a_prompt_uses_it() -> None:
    assert missing('a [prompt="Plan $goal, and $goal again"]') == ["$goal"]
    assert missing('a [prompt="@plan.md"]') == ['"@plan.md"']
    assert missing('goal=" "; a [prompt="$goal"]; b [prompt="$goal"]') == ["$goal", "$goal"]
    assert missing('node [prompt="$goal"]; a; b') == ["$goal"]
    assert missing('goal=it; a [prompt="$goal"]') == []
    assert missing('a [prompt="$goals"]') == []
    assert missing('a [prompt="$goal"]', goal="it") == []
