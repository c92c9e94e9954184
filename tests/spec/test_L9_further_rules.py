"""Ruling L9: more rules than the specification's thirteen, each with a page of its own."""

from attractor.engine.questions.edge_labels import accelerator
from attractor.engine.run_folder.layout import RESERVED_NAMES
from attractor.language import Severity, Vocabulary, prepare
from attractor.language.linting.pages import read_page
from attractor.language.rules.reserved_id import RESERVED_IDS
from attractor.pipeline.source.vocabulary import find_provider_fault, shell_error
from tests.tables import table

NAMES = Vocabulary(
    types=frozenset({"start", "exit", "codergen", "tool", "wait.human", "conditional"}),
    backends=frozenset({"simulate"}),
    agents=frozenset({"coder"}),
    providers=frozenset({"openai"}),
    models=frozenset({"gpt-5.2"}),
    has_program=frozenset({"make"}).__contains__,
    provider_fault=lambda model, provider: find_provider_fault(model, provider, environ={}),
    shell_error=shell_error,
    accelerator=accelerator,
)
ON = "start -> a -> exit;"
FORK = (
    "p [shape=component]; j [shape=tripleoctagon]; start -> p; p -> a -> j; p -> b -> j;"
    "p -> c -> j; j -> exit;"
)
RULES = {
    "unknown attribute": ("unknown_attribute", f"{ON} a [promt=x]"),
    "duplicate edge": ("duplicate_edge", f"{ON} a -> exit"),
    "all edges conditional": (
        "fallback_edge",
        'start -> a; a -> exit [condition="context.x=1"]',
    ),
    "a failure that silently falls through": (
        "failure_falls_through",
        'start -> a; a -> exit [condition="outcome=success"]; a -> b -> exit',
    ),
    "a goal gate that can be bypassed": (
        "goal_gate_bypassed",
        f"{ON} start -> exit; a [goal_gate=true]",
    ),
    "a loop without a bound": ("endless_loop", f"{ON} a -> b -> c -> b"),
    "a loop that costs money without a bound": ("paid_loop", f"{ON} a -> b -> a"),
    "branches without a common fan-in": (
        "fan_in_missing",
        "p [shape=component]; start -> p; p -> a -> exit; p -> b -> exit",
    ),
    "a human gate without labels": (
        "human_gate_labels",
        "h [shape=hexagon]; start -> h; h -> a -> exit; h -> b -> exit",
    ),
    "clashing accelerator keys": (
        "accelerator_keys",
        "h [shape=hexagon]; start -> h; h -> a [label=Yes]; h -> b [label=Yet]; a -> exit",
    ),
    "a reserved node id": ("reserved_id", "start -> artifacts -> exit; artifacts [prompt=x]"),
    "an unknown model": ("model_known", f"{ON} a [llm_model=gpt]"),
    "a provider without its key": ("provider_ready", f"{ON} a [llm_provider=openai]"),
    "an unknown provider": ("provider_known", f"{ON} a [llm_provider=opnai]"),
    "an unknown agent": ("agent_known", f"{ON} a [agent=codr]"),
    "an unknown backend": ("backend_known", f"{ON} a [backend=simulat]"),
    "a thread_id without full fidelity": ("thread_needs_full", f"{ON} a [thread_id=x]"),
    "an outcome the source cannot yield": (
        "outcome_possible",
        'start -> a [condition="outcome=fail"]',
    ),
    "an absolute path in a prompt": ("absolute_path", f'{ON} a [prompt="Read /home/a/b"]'),
    "a command the shell cannot parse": ("shell_syntax", f'{ON} a [tool_command="ls \'"]'),
    "a program that is not on PATH": ("program_known", f"{ON} a [tool_command=mkae]"),
    "a context key read before it is written": (
        "context_key_written",
        'start -> a [condition="context.x=1"]; a -> exit',
    ),
    "a goal gate on a model's word": (
        "verdict_required",
        f"{ON} a [goal_gate=true, auto_status=true]",
    ),
    "an edge that leaves a parallel branch": ("branch_leaves", f"{FORK} a -> exit"),
    "a restart within a parallel branch (R7)": (
        "restart_misplaced",
        f"{FORK} a -> c -> a [loop_restart=true]",
    ),
    "a node that some branches reach (R6)": ("branch_shared", f"{FORK} a -> d -> j; b -> d"),
    "a node without any outgoing edge (R2)": ("dead_end", f"{ON} a -> b"),
}
SEVERITIES = {
    "reserved_id": Severity.ERROR,
    "branch_leaves": Severity.ERROR,
    "restart_misplaced": Severity.ERROR,
    "program_known": Severity.INFO,
    "provider_ready": Severity.INFO,
}


@table("what", RULES)
def test_L9_each_rule_reports_its_severity(what: str) -> None:
    rule, statements = RULES[what]
    nodes = "start [shape=Mdiamond]; exit [shape=Msquare]; a; b; c; d"
    found = prepare(f"digraph G {{ {nodes}; {statements} }}", vocabulary=NAMES).diagnostics
    severities = {one.severity for one in found if one.rule == rule}
    assert severities == {SEVERITIES.get(rule, Severity.WARNING)}


@table("rule", sorted({rule for rule, _ in RULES.values()}))
def test_L9_each_rule_has_a_page(rule: str) -> None:
    page = read_page(rule)
    assert all([page.sentence, page.what, page.why, page.example, page.instead])
    assert page.severity is SEVERITIES.get(rule, Severity.WARNING)


def test_L9_every_folder_of_a_run_directory_is_reserved() -> None:
    assert RESERVED_NAMES <= RESERVED_IDS
