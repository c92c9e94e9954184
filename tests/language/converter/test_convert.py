"""A pipeline of another tool is converted; unsupported parts are reported with their lines."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings

from attractor.language.converter import word_tables as foreign_words
from attractor.language.converter.convert import Conversion, convert
from attractor.language.diagnostics import ParseError
from attractor.language.formatter import format
from attractor.language.graph.attribute_catalogue import (
    GRAPHVIZ_ATTRIBUTES,
    NO_ATTRIBUTE,
    RENAMED,
    AttributeOwner,
)
from attractor.language.graph.graph import TYPE_OF_SHAPE, Graph
from attractor.language.preparation.prepare import prepare
from attractor.language.reading import parse
from attractor.language.source.text import Source
from tests.counts import count
from tests.language.pipelines import BRANCH, HUMAN_GATE, SMOKE, as_dot, graphs
from tests.tables import table

HEAD = "start [shape=Mdiamond]\nexit [shape=Msquare]\n"

FOREIGN = """// A workflow of another tool.
digraph Ship {
    graph [goal="Ship it", default_max_retry=2, \
model_stylesheet="* { model: m1; provider: openai; }"]
    start [shape=circle, is_codergen="true", label="Go"]
    exit  [shape=doublecircle, node_type="exit"]

    // Runs the tests.
    test  [shape=parallelogram, script="make test", timeout=600]
    plan  [shape=tab, prompt="Plan {{ goal }}", model="m2", provider=anthropic]
    ask   [type="human", label="Ship?"]
    nap   [shape=insulator, duration="90s"]
    part  [import="./part.dot"]

    start -> plan -> test
    test -> ask  [condition="outcome=succeeded", weight=2.0]
    test -> plan [condition="outcome=failed"]   /* again */
    ask -> nap   [label="[Y] Yes"]
    ask -> plan  [label="[N] No"]
    nap -> part -> exit
}
"""

OURS = """// A workflow of another tool.
digraph Ship {
    graph [goal="Ship it", default_max_retries=2, \
model_stylesheet="* { llm_model: m1; llm_provider: openai; }"]
    start [shape=Mdiamond, label="Go"]
    exit  [shape=Msquare]

    // Runs the tests.
    test  [shape=parallelogram, tool_command="make test", timeout="600s"]
    plan  [shape=box, prompt="Plan $goal", llm_model="m2", llm_provider=anthropic]
    ask   [type="wait.human", label="Ship?"]
    nap   [type=wait, duration="90s"]
    part  [type="import", file="./part.dot"]

    start -> plan -> test
    test -> ask  [condition="outcome=success", weight=2]
    test -> plan [condition="outcome=fail"]   /* again */
    ask -> nap   [label="[Y] Yes"]
    ask -> plan  [label="[N] No"]
    nap -> part -> exit
}
"""


def converted(text: str) -> Conversion:
    return convert(Source(text, "a.dot"))


def body(text: str) -> Conversion:
    return converted(f"digraph G {{\n{HEAD}{text}\n}}")


def left_to_do(conversion: Conversion) -> Mapping[str, int]:
    return {one.message: one.span.line for one in conversion.left if one.rule == "convert"}


def test_a_whole_pipeline_is_converted_and_keeps_its_comments() -> None:
    conversion = converted(FOREIGN)
    assert parse(conversion.text) == parse(OURS)
    assert conversion.text == format(OURS)
    assert "// Runs the tests." in conversion.text
    assert "/* again */" in conversion.text
    assert conversion.left == ()


def test_changes_are_reported_with_line() -> None:
    lines = {one.message: one.span.line for one in converted(FOREIGN).changed}
    assert lines["renamed default_max_retry to default_max_retries"] == 3
    assert lines["renamed script to tool_command"] == 8
    assert lines["replaced type human by wait.human"] == 10
    assert lines["replaced shape insulator by type=wait"] == 11
    assert lines["replaced outcome=failed by outcome=fail"] == 16


@table("text", [BRANCH, HUMAN_GATE, SMOKE, OURS])
def test_own_pipeline_is_unchanged(text: str) -> None:
    conversion = converted(text)
    assert (conversion.text, conversion.changed) == (text, ())


@table(
    ("written", "ours"),
    [
        ('a [llm_prompt="Do"]', 'a [prompt="Do"]'),
        ('a [prompt_file="p/a.md"]', 'a [prompt="@p/a.md"]'),
        ('a [handler="manager"]', 'a [type="stack.manager_loop"]'),
        ('a [type="agent_loop"]', 'a [type="codergen"]'),
        ('a [type=command, command="ls"]', 'a [type="tool", tool_command="ls"]'),
        ("a [retry_preset=patient]", "a [retry_policy=patient]"),
        ("a [join_k=2]", "a [k=2]"),
        ('a [prompt="x", is_codergen=true]', 'a [prompt="x"]'),
        ("a [is_codergen=true, node_type=agent, shape=box]", "a [shape=box]"),
        ('a [shape=hexagon, max_iterations="3"]', 'a [shape=house, "manager.max_cycles"="3"]'),
        ("node [timeout=30]; a", 'node [timeout="30s"]; a'),
        ("subgraph s { node [model=m]; a }", "subgraph s { node [llm_model=m]; a }"),
        ("context_fidelity_default=full; a", "default_fidelity=full; a"),
        ('graph [stall_timeout="5m"]; a [stall_timeout="9m"]',) * 2,
        ('a [type=wait, duration="5s"]',) * 2,
        ('a [shape=insulator, duration="5s"]', 'a [type=wait, duration="5s"]'),
        ("default_thread_id=t; a", "thread_id=t; a"),
        ("max_pipeline_duration=5000; a", 'max_duration="5000ms"; a'),
        ('max_pipeline_duration="5s"; a', 'max_duration="5s"; a'),
        ("a [continue_on_fail=true]", "a [on_failure=continue]"),
        ("a [shape=component, error_policy=continue]", "a [shape=component]"),
        ("a [shape=component, join_policy=all]",) * 2,
        ('a [type="stack.observe"]', "a [type=codergen]"),
        ('a [shape=folder, dot_file="b.dot"]', 'a [type=pipeline, file="b.dot"]'),
        (
            'a [shape=folder, dot_file="b.dot", "context.x"="1, \\"2\\"", "context.y"="$z"]',
            'a [type=pipeline, file="b.dot", inputs="x=\\"1, \\\\\\"2\\\\\\"\\", y=\\"$z\\""]',
        ),
        (
            'params="task, goal, port"; a [prompt="$goal: do $task, ${port}, $$5, $Tasks"]',
            'inputs="task, port"; '
            'a [prompt="$goal: do ${inputs.task}, ${inputs.port}, $$5, $Tasks"]',
        ),
        (
            'graph [goal=g, params="task, most"]; a [shape=parallelogram, '
            'tool_command="m=$most; f=\\"$task\\"; $$(cat ${task%.md}.x) ${m:-3} $tasks_"]',
            'graph [goal=g, inputs="task, most"]; a [shape=parallelogram, '
            'tool_command="m=$ATTRACTOR_INPUT_MOST; f=\\"$ATTRACTOR_INPUT_TASK\\"; '
            '$(cat ${ATTRACTOR_INPUT_TASK%.md}.x) ${m:-3} $tasks_"]',
        ),
        (
            'a -> b [condition="context.tool.last_line=ok && outcome=success"]; '
            'a -> c [condition="tool.last_line!=ok"]',
            'a -> b [condition="context.tool.output matches \\"(?m:^)ok$\\" && outcome=success"]; '
            'a -> c [condition="!(context.tool.output matches \\"(?m:^)ok$\\")"]',
        ),
        ('a [prompt="${goal}, {{inputs.x}}"]', 'a [prompt="$goal, ${inputs.x}"]'),
        ('a [prompt="into $KILROY_STAGE_STATUS_PATH"]', 'a [prompt="into $ATTRACTOR_STATUS_FILE"]'),
        (
            'a [shape=house]; a -> b [label="Yes"]; a -> c [label="No"]',
            'a [shape=hexagon]; a -> b [label="Yes"]; a -> c [label="No"]',
        ),
    ],
)
def test_outcome_of_another_tool_is_converted(written: str, ours: str) -> None:
    assert parse(body(written).text) == parse(body(ours).text)
    assert parse(body(written).text) == parse(f"digraph G {{\n{HEAD}{ours}\n}}")


@table(
    ("written", "message"),
    [
        (
            'a [tool_command="y",\n script="x"]',
            "script is equivalent to tool_command, which is also set",
        ),
        (
            'a [prompt="x",\n prompt_file="y"]',
            "prompt_file is equivalent to prompt, which is also set",
        ),
        ("a [shape=box,\n max_tokens=9]", "no equivalent of max_tokens"),
        ('a [shape=box,\n system_prompt="x"]', "no equivalent of system_prompt"),
        ("a [label=x,\n shape=trapezium]", "unsupported shape trapezium"),
        ("a [label=x,\n shape=insulator]", "unsupported shape insulator"),
        ("a [label=x,\n shape=folder]", "unsupported shape folder"),
        ("a [label=x,\n shape=house]", "the manager has no pipeline to supervise"),
        (
            'a [file="b.dot",\n type=pipeline, "context.x"="1", label=l, "context.y"="2"]',
            "no equivalent of context.x, context.y",
        ),
        ('a [type=pipeline,\n file="$folder/b.dot"]', "variable in the path '$folder/b.dot'"),
        ('a [label=x,\n must_write="a.md"]', "no equivalent of must_write"),
        ('a [label=x,\n feedback_from="b"]', "no equivalent of feedback_from"),
        ("a [label=x,\n runs_on=always]", "no equivalent of runs_on"),
        ("a [label=x,\n continue_on_fail=false]", "no equivalent of continue_on_fail"),
        ('a [label=x,\n prompt="Do $ab"]', "$ab is plain text in a prompt"),
        ('a [label=x,\n prompt="Do $tool.output"]', "$tool.output is plain text in a prompt"),
        ('a [label=x,\n prompt="Try $iteration"]', "$iteration is plain text in a prompt"),
        ('a [shape=parallelogram,\n tool_command="cat $task"]', "the command does not set $task"),
        ('a\ngoal="Do $task"', "$task is plain text in the goal"),
        ('a\ngoal="Ship $goal"', "$goal is plain text in the goal"),
        ('a\ngoal="Ship ${goal}."', "${goal} is plain text in the goal"),
        ('a\ngoal="Ship {{ goal }}"', "{{ goal }} is plain text in the goal"),
        ('a [label=x,\n prompt="Do $x"]', "$x is plain text in a prompt"),
        ('a [shape=parallelogram,\n tool_command="do $x"]', "the command does not set $x"),
        (
            'a [type=command, tool_command="true"]; d [shape=diamond]; a -> d\n'
            'd -> exit [condition="context.failure_class=transient"]',
            "context.failure_class=transient never holds: a command does not choose it",
        ),
        ('a\nmodel_stylesheet="* { llm_model: claude-*; }"', "unsupported pattern 'claude-*'"),
        ('a [label=x,\n goal_gate="all is well"]', "unsupported condition of a goal gate"),
        ("a -> exit [label=x,\n weight=1.5]", "invalid weight '1.5': not an integer"),
        (
            'a -> exit [label=x,\n condition="codergen.a.verdict=x"]',
            "unknown key codergen.a.verdict: Attractor does not set it",
        ),
        ('a [label=x,\n prompt="${codergen.a.output}"]', "unsupported placeholder"),
        ('a [label=x,\n tool_command="echo $KILROY_RUN_ID"]', "unknown variable $KILROY_RUN_ID"),
        ("a\n [is_codergen=true]", "no equivalent of is_codergen: it has no effect in Attractor"),
    ],
)
def test_unconvertible_parts_are_reported_with_line_and_advice(written: str, message: str) -> None:
    conversion = body(written)
    assert [line for said, line in left_to_do(conversion).items() if said.startswith(message)] == [
        5
    ]
    assert all(one.fix for one in conversion.left)


@table(
    ("written", "ours"),
    [
        (
            'model_stylesheet="* { model: z-ai/glm-4.6; } #a { llm_model: gpt-5.2; }"; a',
            'model_stylesheet="* { llm_model: \\"z-ai/glm-4.6\\"; } #a { llm_model: gpt-5.2; }"; a',
        ),
        (
            'model_stylesheet="/* all */ * { llm_model: m; } // rest\n #a { llm_model: n; }"; a',
            'model_stylesheet=" * { llm_model: m; } \n #a { llm_model: n; }"; a',
        ),
        ('a -> b [condition="x !contains WORD"]', 'a -> b [condition="!(x contains WORD)"]'),
        (
            'a -> b [condition="outcome=fail && context.x !contains \\"a b\\""]',
            'a -> b [condition="outcome=fail && !(context.x contains \\"a b\\")"]',
        ),
        (
            'a -> b [condition="outcome=failed && context.failure_class!=transient"]',
            'a -> b [condition="outcome=fail && preferred_label!=transient"]',
        ),
        ("stall_timeout=300; a [stall_timeout=9]", 'stall_timeout="300s"; a [stall_timeout="9s"]'),
        ('a [manager.poll_interval="0s"]', 'a [manager.poll_interval="1s"]'),
        ('graph [goal="$goal"]; a', 'graph [goal=""]; a'),
        ('graph [goal="{{ goal }}"]; a', 'graph [goal=""]; a'),
        ('a [goal_gate="outcome = success"]', "a [goal_gate=true]"),
        ('a [max_agent_turns="8", shape=box]', "a [shape=box]"),
        (
            'a [prompt="Do $task with ${tone}"]; b [prompt="Check $task"]',
            'inputs="task, tone"; a [prompt="Do ${inputs.task} with ${inputs.tone}"]; '
            'b [prompt="Check ${inputs.task}"]',
        ),
        # An agent chooses a label; a command does not, and does not need one here.
        (
            'a [prompt=x]; a -> exit [condition="context.failure_class=transient"]; '
            'b [shape=parallelogram, tool_command="true"]; '
            'b -> exit [condition="outcome=fail && failure_class!=transient"]',
            'a [prompt=x]; a -> exit [condition="preferred_label=transient"]; '
            'b [shape=parallelogram, tool_command="true"]; '
            'b -> exit [condition="outcome=fail && preferred_label!=transient"]',
        ),
        # A variable of the shell stays, and one of a prompt is the same input in a command.
        (
            'inputs="port=1"; a [prompt="Do $task"]; '
            'b [tool_command="for item in 1; do echo $item $task; done"]',
            'inputs="port=1, task"; a [prompt="Do ${inputs.task}"]; '
            'b [tool_command="for item in 1; do echo $item $ATTRACTOR_INPUT_TASK; done"]',
        ),
    ],
)
def test_parts_that_other_pipelines_left_most_often_are_converted(written: str, ours: str) -> None:
    conversion = body(written)
    assert parse(conversion.text) == parse(f"digraph G {{\n{HEAD}{ours}\n}}")
    assert left_to_do(conversion) == {}


def test_own_shapes_stay() -> None:
    assert "shape=circle" in body("a [shape=circle]").text
    text = 'a [shape=house, "manager.max_cycles"=3]\na -> exit [label="x"]'
    assert body(text).changed == ()


def test_remaining_errors_are_reported() -> None:
    conversion = converted('digraph G {\nstart -> a\na [script="x"]\n}')
    assert any(one.rule == "terminal_node" for one in conversion.left)
    conversion = body("a [\n is_codergen=true,\n node_type=x,\n max_tokens=4,\n shape=box]")
    assert left_to_do(conversion) == {"no equivalent of max_tokens": 7}
    with pytest.raises(ParseError):
        converted("digraph G { a -- b }")
    conversion = body('a [prompt="say outcome=port"]\na -> exit [condition="outcome=port"]')
    assert 'condition="preferred_label=port"' in conversion.text
    assert list(left_to_do(conversion)) == ["the prompt of a asks for the unknown outcome=port"]


def test_conversion_tables_use_existing_names() -> None:
    assert set(foreign_words.TYPES.values()) <= set(TYPE_OF_SHAPE.values())
    assert {ours for ours, _ in foreign_words.SHAPES.values()} <= set(TYPE_OF_SHAPE)
    assert set(foreign_words.OUTCOMES.values()) <= set(foreign_words.OUR_OUTCOMES)
    named = {key for _, key in RENAMED} | set(NO_ATTRIBUTE)
    assert not named & set(GRAPHVIZ_ATTRIBUTES)
    places = {place for place, _ in RENAMED}
    assert places <= set(AttributeOwner)


@settings(max_examples=count(ci=12, full=1500), deadline=None)
@given(graphs())
def test_conversion_is_idempotent(graph: Graph) -> None:
    once = converted(as_dot(graph))
    again = convert(Source(once.text, "a.dot"))
    assert (again.text, again.changed) == (once.text, ())


def test_the_result_is_valid() -> None:
    text = converted(FOREIGN).text
    assert [one for one in prepare(text).diagnostics if one.is_error] == []


PARAMETERS = """digraph Review {
    graph [goal="Review it", params="goal, task_file, rounds", max_pipeline_duration=60000]
    start [shape=Mdiamond]
    done  [shape=Msquare]
    setup [shape=parallelogram, max_retries=0,
        tool_command="r=$rounds; echo ${r:-6} > budget; test -f \\"$task_file\\" && printf ok"]
    work  [shape=box, class="maker", prompt="Do $goal as in $task_file."]
    other [shape=folder, label="Review", dot_file="review.dot", "context.topic"="style, names"]
    gate  [shape=parallelogram, goal_gate=true, retry_target="work", tool_command="make test"]
    start -> setup
    setup -> work [condition="context.tool.last_line=ok && outcome=success"]
    setup -> done [condition="outcome=fail"]
    work -> other -> gate
    gate -> done [condition="outcome=success"]
    gate -> work [condition="outcome=fail"]
}
"""


def test_pipeline_with_parameters_and_folders_is_valid_after_conversion() -> None:
    conversion = converted(PARAMETERS)
    assert conversion.left == ()
    graph = parse(conversion.text)
    assert graph.attributes.text("inputs") == "task_file, rounds"
    assert graph.nodes["other"].type == "pipeline"
    assert graph.nodes["other"].attributes.text("inputs") == 'topic="style, names"'
    [edge] = [one for one in graph.edges if (one.source, one.target) == ("setup", "work")]
    for output, is_taken in (("ok", True), ("a\nok\n", True), ("not ok", False), ("ok\nno", False)):
        values = {"context.tool.output": output, "outcome": "success"}
        assert edge.condition.holds(lambda key, held=values: held.get(key, "")) is is_taken
