"""The pipeline files that a graph runs are read, but are no part of it."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import given, strategies as st

from attractor.language.declarations.requirements import (
    Requirement,
    declared_requirements,
    parse_version,
    read_requirements,
)
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.preparation.prepare import FolderFiles, KnownFiles, prepare
from attractor.language.reading import parse
from tests.growing import times_more
from tests.tables import table

NUMBERS = st.lists(st.integers(0, 10**8), min_size=1, max_size=4).map(tuple)
SIGNS = st.sampled_from([">=", ">", "<=", "<", "=", "=="])


def written(text: str) -> list[str]:
    read = read_requirements(text)
    assert read.mistakes == ()
    assert all(text[one.start : one.end].replace(" ", "") == one.written for one in read.needs)
    return [one.written for one in read.needs]


@table(
    ("text", "needs"),
    [
        ("", []),
        (" \n", []),
        ("git", ["git"]),
        ("git, ", ["git"]),
        ("git, node>=20, env:TOKEN", ["git", "node>=20", "env:TOKEN"]),
        ("  g++ ,\n python3.11>= 3.11.2,", ["g++", "python3.11>=3.11.2"]),
        ("node >= 20, node<23", ["node>=20", "node<23"]),
        ("go=1.21, apt-get, 7z, env : HOME", ["go=1.21", "apt-get", "7z", "env:HOME"]),
        ("node>v20", ["node>v20"]),
    ],
)
def test_needs_are_read(text: str, needs: list[str]) -> None:
    assert written(text) == needs


@table(
    ("text", "message", "place"),
    [
        ("git,,node", "empty requirement", ","),
        (",git", "empty requirement", ","),
        ("git node", "invalid requirement 'git node'", "git node"),
        ("git, ./run", "invalid program name './run'", "./run"),
        ("-rf", "invalid program name '-rf'", "-rf"),
        ("a;b", "invalid program name 'a;b'", "a;b"),
        ("git, evn:TOKEN", "unknown kind of requirement 'evn:'", "evn:TOKEN"),
        (":TOKEN", "unknown kind of requirement ':'", ":TOKEN"),
        ("env:MY-TOKEN", "invalid variable name 'MY-TOKEN'", "env:MY-TOKEN"),
        ("env:", "invalid requirement 'env:'", "env:"),
        ("env:TOKEN>=3", "the variable TOKEN cannot have a version", "env:TOKEN>=3"),
        ("node=>20", "unknown operator '=>'", "node=>20"),
        ("node>=", "invalid version ''", "node>="),
        ("node>=twenty", "invalid version 'twenty'", "node>=twenty"),
        ("node>=20.x", "invalid version '20.x'", "node>=20.x"),
    ],
)
def test_mistakes_are_reported_with_their_position(text: str, message: str, place: str) -> None:
    (mistake,) = read_requirements(text).mistakes
    assert mistake.message == message
    assert text[mistake.start : mistake.end] == place
    assert mistake.hint


def test_each_of_several_mistakes_is_reported() -> None:
    read = read_requirements("git, ./a, node>=20, b=x, env:T")
    assert [one.name for one in read.needs] == ["git", "node", "T"]
    assert len(read.mistakes) == 2


@table(
    ("need", "holds", "fails"),
    [
        ("x>=20", ["20", "20.0.1", "100"], ["19.9", "2"]),
        ("x>3.9", ["3.9.1", "3.10"], ["3.9", "3.9.0", "3.8"]),
        ("x<=2.1", ["2.1", "2.1.0", "2"], ["2.1.1", "2.10"]),
        ("x<23", ["22.99"], ["23", "23.0.0"]),
        ("x=3.11", ["3.11", "3.11.9"], ["3.1", "3.12", "3"]),
        ("x==1", ["1.9"], ["10"]),
        ("x", ["0"], []),
    ],
)
def test_versions_are_compared_as_numbers(need: str, holds: list[str], fails: list[str]) -> None:
    (wanted,) = read_requirements(need).needs
    for words, expected in ((holds, True), (fails, False)):
        for word in words:
            version = parse_version(word)
            assert version is not None
            assert wanted.holds(version) is expected, word


@given(NUMBERS, NUMBERS)
def test_of_two_versions_exactly_one_relation_holds(one: tuple[int, ...], two: tuple[int, ...]):
    def holds(sign: str) -> bool:
        version = ".".join(map(str, two))
        return Requirement("x", True, sign, version).holds(one)

    assert holds("<") + holds(">") + (holds("<=") and holds(">=")) == 1
    assert holds("=") is (one[: len(two)] == two)


@given(st.lists(st.tuples(st.from_regex(r"\A[a-z][a-z0-9.+-]*\Z"), SIGNS, NUMBERS)))
def test_recording_round_trips(parts: list[tuple[str, str, tuple[int, ...]]]) -> None:
    texts = [f"{name}{sign}{'.'.join(map(str, version))}" for name, sign, version in parts]
    assert written(" , ".join(texts)) == texts


@given(st.text(alphabet="git, :<>=env.20;\n-"))
def test_any_text_gives_spans_within_it(text: str) -> None:
    read = read_requirements(text)
    for one in (*read.needs, *read.mistakes):
        assert 0 <= one.start < one.end <= max(len(text), one.start + 1)


def test_ten_times_the_list_is_ten_times_the_work() -> None:
    def work(many: int) -> Callable[[], object]:
        text = ",".join(["x" * many, " " * many, "a>" + ">" * many, *(["git"] * many)])
        return lambda: read_requirements(text)

    assert times_more(work, few=100) < 15


def test_graph_declares_requirements() -> None:
    assert [
        one.written for one in declared_requirements(parse('digraph x { requires="git, jq" }'))
    ] == ["git", "jq"]
    assert declared_requirements(parse("digraph x { }")) == ()


CHILD = "digraph Child { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"


def pipeline(text: str) -> str:
    ends = "start [shape=Mdiamond]; exit [shape=Msquare]; start -> a -> exit"
    return f"digraph G {{ {ends}; {text} }}"


def reported(text: str, folder: Path) -> list[Diagnostic]:
    found = prepare(pipeline(text), file="g.dot", files=FolderFiles(folder)).diagnostics
    return [one for one in found if one.rule == "pipeline_file"]


@table("text", ['a [type=pipeline, file="{}"]', 'a [shape=house]; "stack.child_dotfile"="{}"'])
@table(
    ("name", "message"),
    [
        ("child.dot", ""),
        ("deep/child.dot", ""),
        ("nowhere.dot", "cannot read nowhere.dot: No such file or directory"),
        ("../outside.dot", "cannot read ../outside.dot: it is outside the project"),
        ("/outside.dot", "cannot read /outside.dot: it is outside the project"),
        ("link.dot", "cannot read link.dot: it is outside the project"),
        ("inside.dot", ""),
        ("deep", "cannot read deep: Is a directory"),
        (
            "broken.dot",
            "invalid pipeline 'broken.dot': line 2: invalid edge '--': edges have a direction",
        ),
        ("image.dot", "image.dot is a binary file"),
    ],
)
def test_a_file_that_is_no_pipeline_is_reported(
    text: str, name: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "child.dot").write_text(CHILD)
    (tmp_path / "deep" / "child.dot").write_text(CHILD)
    (tmp_path / "broken.dot").write_text("digraph G {\n a -- b\n b -- c }")
    (tmp_path / "link.dot").symlink_to(tmp_path.parent / "outside.dot")
    (tmp_path / "inside.dot").symlink_to("deep/child.dot")
    (tmp_path / "image.dot").write_bytes(b"\0\1")
    found = reported(text.format(name), tmp_path)
    assert len(found) == bool(message)
    for one in found:
        assert one.message.startswith(message)
        assert (one.severity, one.node, bool(one.fix)) == (Severity.ERROR, "a", True)
        assert one.span.is_somewhere


def test_pipeline_files_are_reported_per_node_and_read_with_their_parent(tmp_path: Path) -> None:
    text = 'a [type=pipeline, file="x.dot"]; b [type=pipeline, file="x.dot"]; c [type=pipeline]'
    assert [one.node for one in reported(text, tmp_path)] == ["a", "b"]
    (tmp_path / "child.dot").write_text(CHILD)
    text = pipeline('a [type=pipeline, file="child.dot"]')
    assert prepare(text, files=FolderFiles(tmp_path)).files == {"child.dot": CHILD.encode()}


@table("files", [None, KnownFiles({})])
def test_pipeline_files_are_not_checked_without_files(files: KnownFiles | None) -> None:
    text = pipeline('a [type=pipeline, file="nowhere.dot"]')
    assert [one.rule for one in prepare(text, files=files).diagnostics] == []


def test_path_in_an_imported_file_is_relative_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "child.dot").write_text(CHILD)
    (tmp_path / "deep" / "sub.dot").write_text(pipeline('a [type=pipeline, file="child.dot"]'))
    text = pipeline('a [type=import, file="deep/sub.dot"]')
    prepared = prepare(text, file="g.dot", files=FolderFiles(tmp_path))
    assert prepared.graph
    assert prepared.graph.nodes["a__a"].attributes.text("file") == "deep/child.dot"
    assert not [one for one in prepared.diagnostics if one.is_error]
