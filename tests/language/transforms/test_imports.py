import time
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import given, strategies as st

from attractor.language.conditions.condition import keys_of
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.formatter import format
from attractor.language.graph.builder import MOST_CLASSES_AROUND
from attractor.language.graph.graph import Graph
from attractor.language.linting.validate import validate
from attractor.language.preparation.prepare import (
    FilesRead,
    KnownFiles,
    TransformContext,
    transform_all,
)
from attractor.language.reading import parse
from attractor.language.transforms.imports import Imports
from tests.tables import table

REVIEW = """digraph Review {
    begin [shape=Mdiamond]
    look  [prompt="Look for $goal", retry_target=begin]
    done  [shape=Msquare]
    begin -> look -> done [label="on", weight=3]
}"""
MAIN = """digraph Main {
    goal = "ours"
    start [shape=Mdiamond]
    sub   [type="import", file="review.dot", label="Review it"]
    exit  [shape=Msquare]
    start -> sub
    sub -> exit [condition="outcome=success", label="good"]
}"""


@dataclass
class Made:
    """A graph after its imports, and the findings of the imports."""

    graph: Graph
    found: list[Diagnostic]
    read: FilesRead

    def ends(self) -> list[str]:
        return [f"{one.source} -> {one.target}" for one in self.graph.edges]

    def errors(self) -> list[str]:
        return [f"{one.span.file}:{one.span.line} {one.message}" for one in self.found]

    def attribute(self, node: str, key: str) -> str:
        return self.graph.nodes[node].attributes.text(key)


def made(main: str, files: Mapping[str, str | bytes] | None = None, *, whole: bool = False) -> Made:
    known = {
        name: text if isinstance(text, bytes) else text.encode()
        for name, text in (files or {"review.dot": REVIEW}).items()
    }
    read = FilesRead(KnownFiles(known))
    context = TransformContext(files=read)
    graph = parse(main, file="pipelines/main.dot")
    after = transform_all(graph, context=context) if whole else Imports(context).apply(graph)
    return Made(after, context.found, read)


def test_import_is_replaced_by_the_graph_of_its_file() -> None:
    result = made(MAIN)
    assert result.found == []
    assert list(result.graph.nodes) == ["start", "sub__begin", "sub__look", "sub__done", "exit"]
    assert result.ends() == [
        "start -> sub__begin",
        "sub__done -> exit",
        "sub__begin -> sub__look",
        "sub__look -> sub__done",
    ]
    assert list(result.read.by_name) == ["review.dot"]
    assert not any(one.is_error for one in validate(result.graph))


def test_ends_and_edges_are_kept() -> None:
    graph = made(MAIN).graph
    for id_ in ("sub__begin", "sub__done"):
        assert (graph.nodes[id_].type, graph.nodes[id_].shape) == ("conditional", "diamond")
    by_id = REVIEW.replace("begin [shape=Mdiamond]", "start [type=start]").replace("begin", "start")
    assert made(MAIN, {"review.dot": by_id}).graph.nodes["sub__start"].type == "conditional"
    edges = {one.source: one for one in made(MAIN).graph.edges}
    assert edges["sub__done"].attributes.text("condition") == "outcome=success"
    assert keys_of(edges["sub__done"].condition) == {"outcome"}
    assert edges["sub__done"].label == "good"
    assert (edges["sub__begin"].label, edges["sub__begin"].weight) == ("on", 3)


def test_retry_targets_of_imports_stay_inside_or_lead_to_their_start() -> None:
    main = MAIN.replace("goal =", "retry_target=sub\n goal =").replace(
        "exit  [",
        "ask [retry_target=sub, fallback_retry_target=start, human.default_choice=sub]\n exit [",
    )
    gates = (
        "ask [human.default_choice=look, fallback_retry_target=gone]; b [human.default_choice=Y]"
    )
    review = REVIEW.replace("look ", f"{gates}; look ")
    result = made(main, {"review.dot": review})
    assert result.graph.attributes.text("retry_target") == "sub__begin"
    assert result.attribute("ask", "retry_target") == "sub__begin"
    assert result.attribute("ask", "fallback_retry_target") == "start"
    assert result.attribute("ask", "human.default_choice") == "sub__begin"
    assert result.attribute("sub__look", "retry_target") == "sub__begin"
    assert result.attribute("sub__ask", "human.default_choice") == "sub__look"
    assert result.attribute("sub__ask", "fallback_retry_target") == "sub__gone"
    assert result.attribute("sub__b", "human.default_choice") == "Y"


def test_graph_attributes_of_an_import_move_to_its_stages() -> None:
    review = REVIEW.replace(
        "begin [",
        """
        default_max_retries=3; default_fidelity=full; max_node_visits=7; on_failure=continue
        llm_model=general; goal="theirs"; label="Theirs"; retry_target=look
        model_stylesheet="box { llm_provider: p } .code { llm_model: styled } #own { llm_model: x }"
        own  [llm_model=mine, max_retries=0, goal_gate=true]
        code [class=code, goal_gate=true, retry_target=own]
        test [shape=parallelogram, tool_command="make"]
        begin [""",
        1,
    )
    result = made(MAIN, {"review.dot": review})
    assert result.found == []
    look = result.graph.nodes["sub__look"].attributes
    assert [look.text(key) for key in ("max_retries", "fidelity", "max_visits", "on_failure")] == [
        *("3", "full", "7", "continue")
    ]
    models = {id_: result.attribute(id_, "llm_model") for id_ in result.graph.nodes}
    assert models["sub__own"] == "mine"
    assert models["sub__code"] == "styled"
    assert models["sub__look"] == "general"
    assert models["start"] == models["exit"] == ""
    assert result.attribute("sub__look", "llm_provider") == "p"
    assert result.attribute("sub__own", "max_retries") == "0"
    assert result.attribute("sub__own", "retry_target") == "sub__look"
    assert result.attribute("sub__code", "retry_target") == "sub__own"
    assert result.attribute("sub__code", "fallback_retry_target") == ""
    assert result.attribute("sub__look", "label") == ""
    # On the node itself a retry would repeat a command that has given its verdict (R3).
    assert result.attribute("sub__test", "max_retries") == ""
    assert result.graph.goal == "ours"
    assert "default_max_retries" not in result.graph.attributes.by_key


def test_importing_stylesheet_applies_after_the_imported_one() -> None:
    main = MAIN.replace(
        "goal =", 'model_stylesheet="* { llm_model: ours; llm_provider: q }"\n goal ='
    )
    review = REVIEW.replace(
        "begin [", 'model_stylesheet="#look { llm_model: theirs }"\n begin [', 1
    )
    result = made(main, {"review.dot": review}, whole=True)
    assert result.attribute("sub__look", "llm_model") == "theirs"
    assert result.attribute("sub__look", "llm_provider") == "q"
    assert result.graph.nodes["sub__look"].prompt == "Look for ours"


def test_subgraphs_are_kept_within_a_cluster_of_the_placeholders_name() -> None:
    main = MAIN.replace("sub   [", 'subgraph cluster_a { label="Outer"; b; sub [').replace(
        '"Review it"]', '"Review it"] }'
    )
    review = REVIEW.replace("look  [", 'subgraph cluster_in { label="In"; look [').replace(
        "=begin]", "=begin] subgraph { x } }"
    )
    graph = made(main, {"review.dot": review}).graph
    assert [(one.id, one.label, one.nodes, one.parent) for one in graph.subgraphs] == [
        ("cluster_a", "Outer", ("b",), -1),
        ("cluster_sub", "Review it", ("sub__begin", "sub__done"), 0),
        ("cluster_sub__in", "In", ("sub__look",), 1),
        ("", "", ("sub__x",), 2),
    ]
    assert graph.nodes["sub__look"].classes == ("outer", "review-it", "in")
    assert graph.nodes["sub__begin"].classes == ("outer", "review-it")
    assert parse(format(graph)) == graph


@table("levels", [98, 99, 100, 105])
def test_imported_nodes_have_the_classes_of_the_innermost_labels_around_them(levels: int) -> None:
    opened = "".join(f'subgraph {{ label="L {one}" subgraph {{ ' for one in range(levels))
    main = MAIN.replace("sub   [", f"{opened} sub [").replace(
        '"Review it"]', f'"Review it"] {"}" * 2 * levels}'
    )
    review = REVIEW.replace("look  [", 'subgraph { label="In"; look [class=own, ').replace(
        "=begin]", "=begin] }"
    )
    graph = made(main, {"review.dot": review}).graph
    context = [*(f"l-{one}" for one in range(levels)), "review-it", "in"]
    assert graph.nodes["sub__look"].classes == ("own", *context[-MOST_CLASSES_AROUND:])
    assert graph.nodes["sub__done"].classes == tuple(context[:-1][-MOST_CLASSES_AROUND:])
    assert parse(format(graph)) == graph


def test_failure_that_an_imported_graph_would_skip_is_reported() -> None:
    def passed_over(main: str) -> list[str]:
        graph = made(main).graph
        found = [one for one in validate(graph) if one.rule == "failure_falls_through"]
        return [f"{one.span.file}: {one.edge}" for one in found]

    main = MAIN.replace("start -> sub", "work [prompt=x]; start -> work -> sub")
    into = "pipelines/main.dot: ('work', 'sub__begin')"
    assert passed_over(main) == [into]
    judged = 'work -> sub; work -> exit [condition="outcome=fail"]; start -> work'
    assert passed_over(main.replace("start -> work -> sub", judged)) == []
    out_of = "pipelines/review.dot: ('sub__look', 'sub__done')"
    unasked = main.replace('[condition="outcome=success", label="good"]', "")
    assert passed_over(unasked) == [into, out_of]


def test_file_can_be_imported_twice() -> None:
    main = """digraph Main {
        start [shape=Mdiamond]
        one [type=import, file="review.dot"]
        two [type=import, file="./review.dot"]
        exit [shape=Msquare]
        start -> one -> two -> exit
        two -> two [condition="outcome=fail"]
    }"""
    result = made(main)
    assert result.found == []
    assert result.ends()[:4] == [
        "start -> one__begin",
        "one__done -> two__begin",
        "two__done -> exit",
        "two__done -> two__begin",
    ]
    assert [one.id for one in result.graph.subgraphs] == ["cluster_one", "cluster_two"]
    assert parse(format(result.graph)) == result.graph


NESTED: Mapping[str, str | bytes] = {
    "subs/outer.dot": """digraph Outer {
        default_max_retries=4; inputs="branch=main, ticket"; requires="git, node>=20"
        model_stylesheet="#deep__work { llm_model: outer } .deep { llm_provider: p }"
        start; exit
        deep [type=import, file="more/inner.dot"]
        ask [prompt="@prompts/ask.md", tool_command="@../run.sh", retry_target=deep]
        start -> deep -> ask -> exit
    }""",
    "subs/more/inner.dot": """digraph Inner {
        start; exit
        work [prompt="@work.md"]
        plain [prompt="@@home", max_retries=1]
        start -> work -> plain -> exit
    }""",
    "subs/prompts/ask.md": "Ask about $goal",
    "subs/more/work.md": "Work",
    "run.sh": "make",
}
NESTING = MAIN.replace('"review.dot"', '"subs/outer.dot"').replace(
    "goal =", 'inputs="ticket:int"; requires="git"; goal ='
)


def test_nested_imports() -> None:
    result = made(NESTING, NESTED, whole=True)
    assert result.found == []
    assert set(result.read.by_name) == set(NESTED)
    graph = result.graph
    assert graph.nodes["sub__deep__work"].prompt == "Work"
    assert graph.nodes["sub__deep__plain"].prompt == "@home"
    assert graph.nodes["sub__ask"].prompt == "Ask about ours"
    assert result.attribute("sub__ask", "tool_command") == "make"
    assert result.attribute("sub__ask", "retry_target") == "sub__deep__start"
    assert result.attribute("sub__deep__work", "llm_model") == "outer"
    assert result.attribute("sub__deep__work", "llm_provider") == "p"
    assert result.attribute("sub__deep__work", "max_retries") == "4"
    assert result.attribute("sub__deep__plain", "max_retries") == "1"
    assert [one.id for one in graph.subgraphs] == ["cluster_sub", "cluster_sub__deep"]
    assert parse(format(graph)) == graph
    graph = made(NESTING, NESTED).graph
    assert graph.attributes.text("inputs") == "ticket:int, branch=main"
    assert graph.attributes.text("requires") == "git, node>=20"
    alone = made(MAIN.replace('"review.dot"', '"subs/outer.dot"'), NESTED).graph
    assert alone.attributes.text("inputs") == "branch=main, ticket"
    assert graph.nodes["sub__deep__work"].span.file == "pipelines/subs/more/inner.dot"
    assert graph.nodes["sub__deep__work"].span.line == 3
    assert graph.nodes["start"].span.file == "pipelines/main.dot"
    review = REVIEW.replace("look  [", "look  [max_retries=many, ")
    (one,) = (one for one in validate(made(MAIN, {"review.dot": review}).graph) if one.is_error)
    assert (one.rule, one.span.file, one.span.line) == (
        "attribute_value",
        "pipelines/review.dot",
        3,
    )


def test_mistakes_of_an_imported_file_are_reported() -> None:
    broken = "digraph B {\n  a -- b\n  c [x=]\n}"
    result = made(MAIN, {"review.dot": broken})
    assert [(one.rule, one.span.file, one.span.line) for one in result.found] == [
        ("syntax", "pipelines/review.dot", 2),
        ("syntax", "pipelines/review.dot", 3),
        ("import_file", "pipelines/main.dot", 4),
    ]
    assert "sub" in result.graph.nodes
    review = REVIEW.replace("begin [", 'inputs="a:x"; model_stylesheet="* { m: x }"\n begin [', 1)
    result = made(MAIN, {"review.dot": review})
    assert [(one.rule, one.span.file) for one in result.found] == [
        ("stylesheet_syntax", "pipelines/review.dot"),
        ("known_input", "pipelines/review.dot"),
    ]
    assert all(one.is_error for one in result.found)
    review = REVIEW.replace('label="on", weight', 'label="on" weight')
    (one,) = made(MAIN, {"review.dot": review}).found
    assert (one.rule, one.severity, one.span.file) == (
        *("portability", Severity.INFO),
        "pipelines/review.dot",
    )
    result = made(MAIN.replace('type="import"', 'type="import", goal_gate=true, prompt=x'))
    assert [(one.severity, one.rule, one.message.split()[0]) for one in result.found] == [
        (Severity.WARNING, "import_file", "goal_gate"),
        (Severity.WARNING, "import_file", "prompt"),
    ]


@table(
    ("file", "message"),
    [
        ("file=nowhere.dot", "cannot read nowhere.dot: the file is not part of the run"),
        ('file="/review.dot"', "'/review.dot' is an absolute path"),
        ('file="latin.dot"', "latin.dot is not valid UTF-8 (line 1)"),
        ('file=""', "the import has no file"),
        ("label=x", "the import has no file"),
        ('file="no_start.dot"', "no_start.dot has no start node"),
        ('file="two_exits.dot"', "two_exits.dot has 2 exit nodes"),
        ('file="main.dot"', "circular import: main.dot -> main.dot"),
        ('file="../pipelines/x/../main.dot"', "cannot read ../pipelines/main.dot"),
    ],
)
def test_invalid_import_is_an_error_at_the_placeholder(file: str, message: str) -> None:
    files: Mapping[str, str | bytes] = {
        "latin.dot": "digraph ä { }".encode("latin-1"),
        "no_start.dot": "digraph G { a -> exit }",
        "two_exits.dot": "digraph G { start; a [shape=Msquare]; b [shape=Msquare] }",
    }
    result = made(MAIN.replace('file="review.dot"', file), files)
    (one,) = result.found
    assert one.message.startswith(message)
    assert (one.severity, one.rule, one.node) == (Severity.ERROR, "import_file", "sub")
    assert (one.span.file, one.span.line) == ("pipelines/main.dot", 4)
    assert one.fix
    assert result.graph.nodes["sub"].type == "import"


def imports(*names: str) -> str:
    nodes = " ".join(f'n{at} [type=import, file="{name}"]' for at, name in enumerate(names))
    ids = " -> ".join(f"n{at}" for at in range(len(names)))
    return f"digraph G {{ start; exit; {nodes}; start -> {ids} -> exit }}"


def test_files_that_import_each_other_are_refused_with_the_chain() -> None:
    files = {"a.dot": imports("b.dot"), "b.dot": imports("c/c.dot"), "c/c.dot": imports("../a.dot")}
    result = made(imports("a.dot"), files)
    assert result.errors() == [
        "pipelines/c/c.dot:1 circular import: a.dot -> b.dot -> c/c.dot -> a.dot"
    ]
    assert "n0__n0__n0__n0" in result.graph.nodes


def test_imports_are_at_most_fifty_deep() -> None:
    def chain(length: int) -> Mapping[str, str | bytes]:
        last = {f"{length}.dot": "digraph G { start -> exit; start; exit }"}
        return {f"{at}.dot": imports(f"{at + 1}.dot") for at in range(1, length)} | last

    result = made(imports("1.dot"), chain(50))
    assert result.found == []
    assert "__".join(["n0"] * 50) + "__start" in result.graph.nodes
    assert parse(format(result.graph)) == result.graph
    (one,) = made(imports("1.dot"), chain(51)).found
    assert one.message == "more than 50 nested imports"


def test_imports_that_double_at_each_level_are_refused() -> None:
    files = {f"{at}.dot": imports(*[f"{at + 1}.dot"] * 10) for at in range(1, 5)}
    files["5.dot"] = REVIEW
    before = time.process_time()
    result = made(imports("1.dot"), files)
    assert any(one.message == "the imports have more than 20,000 nodes" for one in result.found)
    assert time.process_time() - before < 30


def test_an_id_that_is_taken_is_an_error() -> None:
    result = made(MAIN.replace("exit  [", "sub__look [prompt=x]\n exit ["))
    assert result.errors() == ["pipelines/main.dot:4 duplicate id 'sub__look' after the import"]
    files = {"review.dot": REVIEW, "b.dot": REVIEW.replace("look ", "b__look ")}
    clash = 'digraph G { a [type=import, file="b.dot"]; a__b [type=import, file="review.dot"] }'
    assert len(made(clash, files).errors()) == 1


def test_graph_without_imports_or_files_is_unchanged() -> None:
    graph = parse(MAIN)
    context = TransformContext()
    assert Imports(context).apply(graph) is graph
    assert context.found == []
    graph = parse(REVIEW)
    assert Imports(TransformContext(files=KnownFiles({}))).apply(graph) is graph


_IDS = st.sampled_from(["a", "b", "a b", "é", "a__b", "node"])
_STATEMENTS = st.one_of(
    st.builds('"{}" [class="x, {}"]'.format, _IDS, st.sampled_from(["y", "in"])),
    st.builds('"{}" -> "{}"'.format, _IDS, _IDS),
    st.builds('subgraph cluster_s {{ label="In {}"; "{}" }}'.format, st.integers(0, 2), _IDS),
    st.builds('subgraph {{ "{}" subgraph s {{ label=L; "{}" }} }}'.format, _IDS, _IDS),
    st.builds('subgraph {{ label="Around"; "{}" sub }}'.format, _IDS),
    st.builds("node [fidelity={}]".format, st.sampled_from(["full", "compact"])),
)


@given(st.lists(_STATEMENTS, max_size=6), st.lists(_STATEMENTS, max_size=6))
def test_an_imported_pipeline_written_as_text_is_read_as_itself(
    outside: list[str], inside: list[str]
) -> None:
    body = "\n".join(inside).replace(" sub ", " ")
    review = f"digraph R {{ start [shape=Mdiamond]; done [shape=Msquare]\n{body} }}"
    main = f'digraph M {{ sub [type=import, file="review.dot"]\n{" ".join(outside)} }}'
    result = made(main, {"review.dot": review})
    assert not any(one.is_error for one in result.found)
    assert "sub" not in result.graph.nodes
    assert parse(format(result.graph)) == result.graph
