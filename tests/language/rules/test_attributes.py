"""Rules about attributes, their values, and names in values."""

from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.preparation.fixes import fix
from attractor.language.rules.attribute_value import LONGEST_COMMAND
from tests.language.rules.judging import found, inside, pointed_parts
from tests.tables import table


def fixed(text: str, rule: str) -> str:
    """Return a text with the safe fixes of one rule."""
    return fix(text, check=lambda one: found(one, rule)).text


def test_a_mistake_in_a_default_block_is_reported_once() -> None:
    text = inside(
        "node [promt=x, max_retries=many]; a [prompt=y]; b [prompt=z]; start -> a -> b -> exit"
    )
    assert [one.rule for one in found(text)] == ["unknown_attribute", "attribute_value"]


@table(
    ("text", "fix"),
    [
        ("a [goal=x]", "move it to the graph"),
        ("graph [prompt=x]", "move it to a node"),
        ("a [weight=1]", "move it to an edge"),
        ("a [promt=x]", "did you mean prompt?"),
        ("a [zzzzzz=x]", "remove it"),
        ("a [color=red, tooltip=x]", ""),
        ("a [model=x]", ""),
        ("edge [model=x]; start -> exit", "move it to the graph or a node"),
    ],
)
def test_an_unknown_attribute_has_its_fix(text: str, fix: str) -> None:
    received = [one.fix for one in found(inside(text), "unknown_attribute")]
    assert received == ([fix] if fix else [])


VALUES: dict[str, tuple[list[str], list[str]]] = {
    "max_retries": (["3", '"3"', "0"], ["1.5", "-1", '"-1"']),
    "goal_gate": (["true", '"false"'], ["yes"]),
    "timeout": (["900s", '"15m"', '""', "1ms"], ["15", "0s", '"0s"', '"-5s"']),
    "if_interrupted": (["ask"], ["perhaps"]),
    "retry_policy": (["patient"], []),
    "prompt": (["5"], []),
    "until": (
        ['"2026-01-31T09:30:00Z"', '"2026-01-31T09:30"', '"09:30"', '" 09:30 "'],
        ["tomorrow", "25", '"25:00"'],
    ),
    "items": (["plan.items", "context.files", '"one-two.3"'], ['"[1, 2]"', '"a, b"', "3"]),
    "stall_timeout": (["5m"], ["5"]),
    "max_same_failures": (["3"], ["0"]),
    "manager.steer_cooldown": (["0s"], []),
    "merge": (["none"], ["some"]),
    "reasoning_effort": (["low"], ["hihg"]),
    "max_visits": ([], ["0"]),
    "k": ([], ["0"]),
    "max_parallel": ([], ["0"]),
    "max_cost_usd": (["5", "2.50", '".5"'], ["-1", "much"]),
}


@table("attribute", VALUES)
def test_a_value_is_of_its_type(attribute: str) -> None:
    element = "graph" if attribute == "max_cost_usd" else "a"
    for values, is_valid in zip(VALUES[attribute], (True, False), strict=True):
        for value in values:
            text = inside(f"{element} [{attribute}={value}]")
            assert (found(text, "attribute_value") == []) is is_valid, value


@table(
    ("rule", "wrong", "right"),
    [
        ("unknown_attribute", "a [promt=x]", "a [prompt=x]"),
        ("unknown_attribute", "a [max_retires=2]", "a [max_retries=2]"),
        ("unknown_attribute", "a [tool_comand=ls]", "a [tool_command=ls]"),
        ("unknown_attribute", 'a ["human.default_choise"=b]', 'a ["human.default_choice"=b]'),
        ("attribute_value", "a [goal_gate=True]", "a [goal_gate=true]"),
        ("attribute_value", 'a [merge="winer"]', 'a [merge="winner"]'),
        ("attribute_value", "a [reasoning_effort=hihg]", "a [reasoning_effort=high]"),
        ("shape_known", "a [shape=hexagn]", "a [shape=hexagon]"),
        ("shape_known", "a [shape=Diamond]", "a [shape=diamond]"),
        ("shape_known", "a [shape=mdiamond]", "a [shape=Mdiamond]"),
        ("shape_known", "a [shape=Msquar]", "a [shape=Msquare]"),
        ("shape_known", 'a [shape="elipse"]', 'a [shape="ellipse"]'),
        ("fidelity_valid", "a [fidelity=compct]", "a [fidelity=compact]"),
        ("type_known", "a [type=wait.humn]", 'a [type="wait.human"]'),
        ("provider_known", "a [llm_provider=antropic]", "a [llm_provider=anthropic]"),
        ("backend_known", "a [backend=simulat]", "a [backend=simulate]"),
    ],
)
def test_typo_is_fixed(rule: str, wrong: str, right: str) -> None:
    assert fixed(inside(wrong), rule) == inside(right)


@table(
    ("rule", "text"),
    [
        ("unknown_attribute", "a [promt=x, prompt=y]"),  # two candidates
        ("unknown_attribute", 'a [promt="x", prommpt="z"]'),
        ("unknown_attribute", "node [promt=x]; a [prommpt=z]"),
        ("unknown_attribute", "start -> exit [lable=x, labl=y]"),
        ("unknown_attribute", "a [pomptt=y]"),
        ("attribute_value", "a [goal_gate=yes]"),
        ("fidelity_valid", 'a [fidelity="summary"]'),
        ("model_known", "a [llm_model=claude-sonnet-4-6]"),  # another digit is another model
    ],
)
def test_ambiguous_typo_is_not_fixed(rule: str, text: str) -> None:
    whole = inside(text)
    assert found(whole, rule)
    assert fixed(whole, rule) == whole


def test_values_are_checked_if_the_type_is_known() -> None:
    text = "a [type=mine]; start -> a -> exit"
    assert pointed_parts(text, "type_known", vocabulary=Vocabulary()) == []
    assert pointed_parts(text, "type_known") == ["mine"]
    assert pointed_parts('a [type=import, file="b.dot"]; start -> a -> exit', "type_known") == []


NAMES = [
    ("model_known", "llm_model", "gpt-5.3", "gpt-5.2"),
    ("provider_known", "llm_provider", "acme", "openai"),
    ("agent_known", "agent", "codr", "coder"),
    ("backend_known", "backend", "agnet", "agent"),
]


@table(("rule", "key", "wrong", "right"), NAMES)
def test_an_unknown_name_is_pointed_at(rule: str, key: str, wrong: str, right: str) -> None:
    assert pointed_parts(f'a [{key}="{wrong}"]', rule) == [f'"{wrong}"']
    assert pointed_parts(f'a [{key}="{right}"]; b [{key}=""]', rule) == []
    assert pointed_parts(f'a [{key}="{wrong}"]', rule, vocabulary=Vocabulary()) == []


def test_only_names_of_model_stages_are_refused() -> None:
    tool = 'a [shape=parallelogram, tool_command="true", backend="x", llm_provider="x", agent="x"]'
    for rule in ("backend_known", "provider_known", "agent_known"):
        (one,) = found(inside(tool), rule)
        assert one.message.endswith("'x'")
    (one,) = found(inside('graph [llm_provider="x"]'), "provider_known")
    assert one.message == "unknown provider 'x': only a simulation can run this"


def test_names_have_suggestions() -> None:
    text = inside('a [llm_provider="opanai"]; b [llm_provider="acme"]')
    assert [one.fix for one in found(text, "provider_known")] == [
        "did you mean openai?",
        "known: anthropic, gemini, google, openai",
    ]
    text = 'model_stylesheet="box { llm_model: gpt-6; }"; a [prompt=x]; b [prompt=y]'
    assert pointed_parts(text, "model_known") == ["gpt-6"]
    assert pointed_parts('a [llm_model="${inputs.model}"]', "model_known") == []
    (one,) = found(inside("a [shape=zzz]"), "shape_known")
    assert one.fix.startswith("shapes with a meaning: Mdiamond, Msquare, box")
    assert not one.edits


@table(
    ("prompt", "where"),
    [
        ("Read /home/ann/shop/a.py", ["/home/ann/shop/a.py"]),
        ("Read (/tmp/out.txt).", ["/tmp/out.txt"]),
        ("Read /Users/ann/x, then /opt/y", ["/Users/ann/x"]),
        ("Serve GET /home/news and the page /media/x", []),
        ("Read src/home/a.py and ./tmp/b and ~/tmp/c", []),
        ("See https://example.com/home/x", []),
        ("Begin it with #!/usr/bin/env python, as in /etc/hosts", []),
        ("Serve GET /home/news from /srv/news", ["/srv/news"]),
    ],
)
def test_an_absolute_path_in_a_prompt_is_pointed_at(prompt: str, where: list[str]) -> None:
    assert pointed_parts(f'a [prompt="{prompt}"]', "absolute_path") == where


def test_path_with_a_drive_is_absolute() -> None:
    assert len(pointed_parts('a [prompt="Read C:\\\\\\\\src\\\\\\\\a.py"]', "absolute_path")) == 1


def test_time_for_ten_thousand_mistakes_is_linear() -> None:
    edges = "\n".join(f"start -> nowhere_{i} [unknown_{i}=1]" for i in range(3_000))
    diagnostics = found(inside(edges))
    assert sum(one.rule == "edge_target_exists" for one in diagnostics) == 3_000
    assert sum(one.rule == "unknown_attribute" for one in diagnostics) == 3_000


def test_a_mistake_in_a_stylesheet_over_several_lines_is_pointed_at() -> None:
    text = inside('start -> exit\nmodel_stylesheet = "\n  * { llm_model: a; }\n  box { modl: b }"')
    (one,) = found(text, "stylesheet_syntax")
    assert (one.span.line, one.span.column, one.span.end_column) == (4, 9, 13)


@table(
    ("attribute", "fix"),
    [
        ("a [on_failure=stop]", "use continue, or remove it"),
        ("a [isolation=full]", "use shared, or remove it"),
        ("a [merge=some]", "use winner, all or none, or remove it"),
        ("a [reasoning_effort=hihg]", "did you mean high?"),
        ("graph [reasoning_effort=max]", "use low, medium or high, or remove it"),
        ("a [max_retries=-1]", "use at least 0"),
        ("graph [default_max_retry=-3]", "use at least 0"),
        ("graph [max_cost_usd=-1]", "use at least 0"),
        ("a [timeout=0s]", "use at least 1ms"),
    ],
)
def test_a_wrong_value_has_its_fix(attribute: str, fix: str) -> None:
    assert [one.fix for one in found(inside(attribute), "attribute_value")] == [fix]


@table(
    ("text", "fix"),
    [
        ("a [retry_preset=x]", "did you mean retry_policy?"),
        ("a [llm_prompt=x]", "did you mean prompt?"),
        ("a [success_condition=x]", "set manager.stop_condition"),
        ("graph [context_fidelity_default=x]", "did you mean default_fidelity?"),
    ],
)
def test_attribute_names_of_other_tools_have_a_fix(text: str, fix: str) -> None:
    assert [one.fix for one in found(inside(text), "unknown_attribute")] == [fix]


def test_foreign_attribute_name_is_removed_beside_ours() -> None:
    (one,) = found(inside("a [model=x, llm_model=y]"), "portability")
    assert one.fix == "remove it: llm_model is set"
    (one,) = found(inside("a [model=x]"), "portability")
    assert one.fix == "use llm_model"


@table(
    ("text", "times"),
    [
        ("a [prompt=x, prompt=y]", 1),
        ("a [prompt=x, prompt=x]", 1),
        ("a [prompt=x, prompt=y, prompt=z]", 2),
        ("a [prompt=x] [prompt=y]", 1),
        ("a [prompt=x]; a [prompt=z]", 1),
        ('a [prompt=x]; a [prompt="x"]', 0),
        ("a [prompt=x]; a [timeout=1s]", 0),
        ("node [prompt=x]; a [prompt=y]; node [prompt=z]; b", 0),
        ("node [prompt=x, prompt=y]", 1),
        ("start -> exit [label=a, label=b]", 1),
        ("start -> exit [label=a]; start -> exit [label=b]", 0),
        ("graph [goal=a]; goal=b", 1),
        ("goal=a; goal=b", 1),
        ("goal=a; graph [goal=b]; graph [goal=c]", 2),
        ("graph [goal=a, goal=b]", 1),
        ('goal=a; goal="a"', 0),
        ("rankdir=LR; rankdir=TB", 1),
        ("goal=a; label=b", 0),
        ("label=a; subgraph x { label=b }", 0),
        ("subgraph x { label=b }; subgraph y { label=c }", 0),
        ("subgraph x { graph [label=b]; label=c }", 1),
        ("edge [label=a]; edge [label=b]", 0),
    ],
)
def test_duplicate_attributes_are_reported(text: str, times: int) -> None:
    assert len(found(inside(text), "duplicate_attribute")) == times


def test_duplicate_attribute_names_the_first_line() -> None:
    text = inside("\na [prompt=x]\na [timeout=1s, prompt=y]")
    (one,) = found(text, "duplicate_attribute")
    assert one.message == "duplicate attribute 'prompt' of 'a': already set on line 2"
    assert (one.span.line, one.span.column, one.node) == (3, 16, "a")
    (one,) = found(inside("\n goal=x\n graph [label=l, goal=y]"), "duplicate_attribute")
    assert one.message == "duplicate attribute 'goal': already set on line 2"
    assert (one.span.line, one.span.column, one.node) == (3, 18, "")


@table("type_", ["parallel", "parallel.fan_in", "stack.manager_loop"])
def test_planned_type_is_no_mistake(type_: str) -> None:
    few = Vocabulary(types=frozenset({"start", "exit", "codergen"}))
    (one,) = found(inside(f"a [type={type_}]"), "type_known", vocabulary=few)
    assert "this version does not run it yet" in one.message
    assert one.fix == "validate, render and test work; run does not"
    assert not one.edits


@table(
    ("name", "fix"),
    [("Code_Review", "use code-review"), ("UPPER", "use upper"), ("__", "use lowercase letters")],
)
def test_invalid_class_name_has_a_fix(name: str, fix: str) -> None:
    (one,) = found(inside(f"a [class={name}]"), "class_name")
    assert one.fix.startswith(fix)


WHERE: dict[str, dict[str, list[str]]] = {
    "thread_needs_full": {
        "a [thread_id=x]; start -> a": ["thread_id"],
        "a [thread_id=x, fidelity=full]; start -> a": [],
        "a [thread_id=x, fidelity=compact]; default_fidelity=full; start -> a": ["thread_id"],
        "a [thread_id=x]; default_fidelity=full; start -> a": [],
        "a [thread_id=x]; start -> a [fidelity=full]": [],
        "a; start -> a [thread_id=x]": ["thread_id"],
        "a; start -> a [thread_id=x, fidelity=full]": [],
        "a [fidelity=full]; start -> a [thread_id=x]": [],
        "node [thread_id=x]; a; b [fidelity=full]; start -> a -> b": [],
        "node [thread_id=x]; a; b; start -> a -> b": ["thread_id"],
        "graph [thread_id=x]; a; start -> a": ["thread_id"],
        "graph [thread_id=x]; a [fidelity=full]; start -> a": [],
    },
    "shape_known": {
        "a [shape=hexagn]": ["hexagn"],
        "a [shape=zzz, type=tool]": ["zzz"],
        "node [shape=boxx]; a; b": ["boxx"],
        'a [shape=""]; b [shape=ellipse]; c [shape=box3d]; d [shape=Mcircle]': [],
    },
    "color_known": {
        "a [fillcolor=lightgren]": ["lightgren"],
        "edge [color=blu]; a -> a": ["blu"],
        "graph [bgcolor=qqq]": ["qqq"],
        "subgraph cluster_x { bgcolor=qqq; a }": ["qqq"],
        'a [color="red:blue", fontcolor="#fff", fillcolor=transparent]': [],
    },
    "class_name": {
        "a [class=code]": [],
        'a [class="code-review, loop-2"]': [],
        'a [class="code, Code_Review  UPPER"]': ["Code_Review", "UPPER"],
        "node [class=Slow]; a; b": ["Slow"],
        'a [class=""]': [],
        'a [class="é"]': ["é"],
        "start -> exit [class=Wide]": [],
    },
}
"""For each rule, texts and the parts of them that it points at."""


@table("rule", WHERE)
def test_rule_points_at_each_fault(rule: str) -> None:
    for text, where in WHERE[rule].items():
        assert pointed_parts(text, rule) == where, text


@table("key", ["tool_command", "tool_hooks.pre", "tool_hooks.post"])
def test_command_that_is_too_long_for_a_shell_is_reported(key: str) -> None:
    def reported(length: int) -> list[str]:
        text = inside(f'a [shape=parallelogram, {key}="{"é" * (length // 2)}{"x" * (length % 2)}"]')
        return [one.message for one in found(text, "attribute_value")]

    assert reported(LONGEST_COMMAND) == []
    size = f"{LONGEST_COMMAND + 1} bytes, and the maximum of a shell is {LONGEST_COMMAND}"
    assert reported(LONGEST_COMMAND + 1) == [f"{key} has {size}"]
