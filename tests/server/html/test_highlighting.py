"""Code and diffs as HTML with classes."""

from attractor.server.html.highlighting import diff_lines, highlighted, side_by_side

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


def test_removed_lines_are_beside_the_added_ones_that_follow_them() -> None:
    text = "@@ -1,4 +1,4 @@\n-a\n-b\n+c\n d\n+e\n"
    rows = side_by_side(diff_lines(text, "plain.txt"))
    shown = [tuple(one and str(one.content) for one in row) for row in rows]
    assert shown[1:] == [("a", "c"), ("b", None), ("d", "d"), (None, "e")]
    assert shown[0] == ("@@ -1,4 +1,4 @@",) * 2


def test_changed_lines_have_the_colours_of_their_own_side() -> None:
    text = '@@ -1,3 +1,2 @@\n-x = """\n+x = 1\x0c+z = 3\n y = 2\n-"""\n'
    removed, added, same, end = diff_lines(text, "one.py")[1:]
    assert 'class="s2"' in removed.content
    assert end.content == '<span class="s2">"""</span>'
    assert '<span class="mi">3</span>' in added.content
    assert '<span class="mi">2</span>' in same.content


def test_text_without_a_known_syntax_is_escaped() -> None:
    assert highlighted("<script>&\n", "note.unknown") == "&lt;script&gt;&amp;\n"
    assert highlighted("<" * 100_001, "big.py") == "&lt;" * 100_001
