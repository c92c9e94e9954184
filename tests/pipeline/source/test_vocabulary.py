from pathlib import Path

from attractor.language import prepare
from attractor.pipeline.source.vocabulary import known_names


def test_the_parts_are_known_by_name(tmp_path: Path) -> None:
    names = known_names(tmp_path, environ={})
    assert names.types is not None
    assert {"start", "exit", "codergen", "wait.human", "tool"} <= names.types
    assert names.backends is not None
    assert {"agent", "simulate"} <= names.backends
    assert names.providers is not None
    assert {"openai", "anthropic"} <= names.providers


CREW = {"compiler", "historian", "safety", "surface", "toolsmith"}
SHIPPED = {
    "coder",
    "guide",
    "judge",
    "planner",
    "requirements",
    "researcher",
    "reviewer",
    "tester",
    *CREW,
}


def test_agents_are_the_shipped_ones_and_those_of_the_project(tmp_path: Path) -> None:
    assert known_names(tmp_path, environ={}).agents == SHIPPED
    for name in ("gardener", "_profiles", ".cache"):
        (tmp_path / "agents" / name).mkdir(parents=True)
        (tmp_path / "agents" / name / "agent.toml").touch()
    (tmp_path / "agents" / "empty").mkdir()
    assert known_names(tmp_path, environ={}).agents == {*SHIPPED, "gardener"}


def test_programs_are_searched_on_the_given_path(tmp_path: Path) -> None:
    (tmp_path / "tool").touch(mode=0o755)
    (tmp_path / "text").touch(mode=0o644)
    has_program = known_names(tmp_path, environ={"PATH": str(tmp_path)}).has_program
    assert has_program is not None
    assert [has_program(one) for one in ("tool", "text", "none")] == [True, False, False]
    nowhere = known_names(tmp_path, environ={}).has_program
    assert nowhere is not None
    assert not nowhere("sh")


def test_a_mistyped_name_gets_a_guess(tmp_path: Path) -> None:
    text = "digraph G {{ start; a [prompt=x, {}]; exit; start -> a -> exit }}"
    for named, rule, fix in (
        ('llm_provider="opnai"', "provider_known", "did you mean openai?"),
        ("agent=revewer", "agent_known", "did you mean reviewer?"),
    ):
        names = known_names(tmp_path, environ={})
        found = prepare(text.format(named), vocabulary=names).diagnostics
        assert [(one.rule, one.fix) for one in found] == [(rule, fix)]


def test_misspelled_model_gets_a_guess_and_a_short_name_is_known(tmp_path: Path) -> None:
    text = "digraph G {{ start; a [prompt=x, llm_model={}]; exit; start -> a -> exit }}"
    named = {}
    for model in ("claude-opus-4-55", "opus", '"anthropic/claude-opus-4-5"', "mine_of_my_own"):
        prepared = prepare(text.format(model), vocabulary=known_names(tmp_path, environ={}))
        named[model] = [(one.rule, one.fix) for one in prepared.diagnostics]
    assert named == {
        "claude-opus-4-55": [("model_known", "did you mean claude-opus-4-5?")],
        "opus": [],
        '"anthropic/claude-opus-4-5"': [],
        "mine_of_my_own": [("model_known", "'attractor models' lists the known models")],
    }
