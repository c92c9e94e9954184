"""Code and diffs as HTML with classes."""

from attractor.server.html.highlighting import diff_lines, highlighted

DIFF = """diff --git a/one.py b/one.py
--- a/one.py
+++ b/one.py
@@ -3,4 +3,4 @@ def one():
 def two():
-    return "<b>"
+    return 2
 
@@ -20 +20,2 @@
+# more
\\ No newline at end of file
"""


def test_lines_of_a_diff_have_kinds_numbers_and_highlighted_code() -> None:
    lines = diff_lines(DIFF, "one.py")
    assert [(one.kind, one.old, one.new) for one in lines] == [
        ("hunk", None, None),
        ("same", 3, 3),
        ("removed", 4, None),
        ("added", None, 4),
        ("same", 5, 5),
        ("hunk", None, None),
        ("added", None, 20),
        ("note", None, None),
    ]
    assert lines[1].content == '<span class="k">def</span><span class="w"> </span>' + (
        '<span class="nf">two</span><span class="p">():</span>'
    )
    assert "&lt;b&gt;" in lines[2].content


def test_text_without_a_known_syntax_is_escaped() -> None:
    assert highlighted("<script>&\n", "note.unknown") == "&lt;script&gt;&amp;\n"
    assert highlighted("<" * 100_001, "big.py") == "&lt;" * 100_001
