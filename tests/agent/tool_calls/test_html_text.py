import time

from attractor.agent.tool_calls.html_text import html_to_text
from tests.tables import table

PAGE = """<!doctype html><html><head><title>A page</title><style>p {}</style>
<body><nav><ul><li><a href="/home">Home</a><li>About</ul></nav>
<h2>Part &amp; one</h2><p>Some   <b>bold</b>
words.<br>Next<p>Last <script>if (a < b) run("</p>");</script>one<noscript><p>x</noscript>
<pre>def f():
    pass</pre><table><tr><td>1<td>2<tr><td>3</table>"""


def test_a_page_is_reduced_to_its_text() -> None:
    assert html_to_text(PAGE, "https://example.org/a/b").split("\n") == [
        "A page",
        "",
        "- Home (https://example.org/home)",
        "- About",
        "",
        "## Part & one",
        "",
        "Some bold words.",
        "Next",
        "",
        "Last one",
        "",
        "def f():",
        "    pass",
        "",
        "\t1\t2",
        "\t3",
    ]


@table(
    ("html", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>a</p>\n\n\n<p>b", "a\n\nb"),
        ('<a href="#x">here</a>, <a name=y>there</a>', "here (https://x.org/#x), there"),
        ('<a href="javascript:run()">click</a>', "click"),
        ("<svg><path></svg>seen", "seen"),
        ("<svg><svg></svg>in</svg>out", "out"),
        ("</div></pre>a < b", "a < b"),
        ("a<b", "a"),
    ],
)
def test_pieces_of_html(html: str, text: str) -> None:
    assert html_to_text(html, "https://x.org/") == text


def test_hostile_page_is_read_in_linear_time() -> None:
    count = 20_000
    began = time.process_time()
    for html in (
        "<!--" * count,
        "<a " * count,
        '<a b="' * count,
        "<svg>" * count + "</b>" * count,
        "<pre>" + " " * count + "x",
    ):
        html_to_text(html, "https://x.org/")
    # A quadratic algorithm takes more than 40 s.
    assert time.process_time() - began < 5
