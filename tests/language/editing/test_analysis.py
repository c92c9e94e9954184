"""What is known of a text as it stands in an editor."""

from attractor.language.editing.analysis import Analysis
from attractor.language.sources import Source
from attractor.language.vocabulary import Vocabulary

TEXT = 'digraph G { a [llm_model="gpt-5.2"]; b [llm_model=opus]; c '


def test_models_in_use_are_known_where_nothing_else_says_which_there_are() -> None:
    used = {"gpt-5.2", "opus"}
    assert Analysis(Source(TEXT + "}"), vocabulary=Vocabulary()).words.models == used
    named = Analysis(Source(TEXT + "}"), vocabulary=Vocabulary(models={"sonnet"}))
    assert named.words.models == {"sonnet"}


def test_what_is_wrong_in_an_imported_file_is_not_told_here() -> None:
    analysis = Analysis(Source("digraph G {", "a.dot"), vocabulary=Vocabulary())
    assert {one.span.file for one in analysis.diagnostics} == {"a.dot"}
    assert analysis.graph is None


def test_what_nobody_asks_for_is_not_found_out() -> None:
    class NoFiles:
        def read(self, name: str) -> bytes:
            raise AssertionError(name)

    text = 'digraph G { a [prompt="@a.md"]; b [type=import, file="b.dot"] }'
    analysis = Analysis(Source(text), Vocabulary(), NoFiles())
    assert [one.id for one in analysis.names] == ["a", "b"]
    assert analysis.names is analysis.names
