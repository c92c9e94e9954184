"""Pieces of text that are slow to parse when they are repeated."""

LOOSE = (
    *("='a", "k='a", "k='a\n", "k='a'b", "k=<", "k=<\n", "k={", "k=[", "k=a b", "k=a/", "k= "),
    *("k=\n", "k=\na", '"', '\\"', "/*", "k", "k.", "k ", " ", "graph ", "[", "{", "=", "#"),
    *("k='a',", "k=`a\n", "label=a k", "condition=a&& b", "k=\u201ca", " '", "k='\n' k", "k=' ,"),
)

MISTAKEN = (
    *("{", "{\n", "  {\n}", "a {", "a {k=v ", "a {k=v}", "a -> {", "{a} -> ", "subgraph x {\n"),
    *("}", "} x", "a -> subgraph {", "subgraph {} -> ", "a -", "a ~> ", "x = {", "[,", "[a b,"),
    *("goal=", "digraph ", "a -- b\n", "  }\n x", "} digraph a "),
)

SLIPPED = (
    *('"', 'a"', ' a=b"', "\n", "x\n", "] //", " k=v", ' k="', "k.", " ", ",", "]", "\\", ' y"z'),
)
