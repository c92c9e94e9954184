from attractor.cli.pipelines.fix import UNSAFE, FixedFile, fix_lines, result_after_fixes
from attractor.language.diagnostics import Severity, error, warning
from attractor.language.preparation.fixes import SafelyFixed
from attractor.language.preparation.prepare import Prepared
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Source

SPAN = Span("a.dot", 2, 3, 2, 4)
LEFT = error("left", SPAN)


def file_of(after: SafelyFixed) -> FixedFile:
    return FixedFile(Source("old\n", "a.dot"), after)


def test_each_fix_has_a_line() -> None:
    done = (warning("wrong\x1b", SPAN, fix="do it"), warning("other", SPAN))
    file = file_of(SafelyFixed("new\n", done, Prepared(None, ())))
    untouched = file_of(SafelyFixed("old\n", (), Prepared(None, ())))
    assert list(fix_lines([file, untouched])) == [
        "a.dot:2:3: fixed[]: wrong\ufffd: do it",
        "a.dot:2:3: fixed[]: other",
        "2 fixed in 1 file",
    ]
    assert file.diff().split("\n")[2:] == ["@@ -1 +1 @@", "-old", "+new"]
    assert (file.is_changed, untouched.is_changed) == (True, False)


def test_remaining_diagnostics_refer_to_the_new_text() -> None:
    result = result_after_fixes(
        [file_of(SafelyFixed("new\n", (), Prepared(None, (LEFT,))))], [error("gone")]
    )
    assert result.sources[0].text == "new\n"
    assert list(result.diagnostics) == [LEFT, error("gone")]


def test_skipped_fixes_are_reported() -> None:
    file = file_of(SafelyFixed("old\n", (), Prepared(None, (LEFT,)), (error("worse"),)))
    *_, diagnostics = result_after_fixes([file], []).diagnostics
    assert (diagnostics.rule, diagnostics.severity, diagnostics.span.file) == (
        UNSAFE,
        Severity.WARNING,
        "a.dot",
    )
    assert diagnostics.message.startswith("no fixes were applied")
    assert "worse" in diagnostics.message
    mended = SafelyFixed("new\n", (LEFT,), Prepared(None, (LEFT,)), (error("worse"),))
    *_, diagnostics = result_after_fixes([file_of(mended)], []).diagnostics
    why = "because together these fixes would cause: worse"
    assert diagnostics.message == f"some fixes were skipped, {why}"
