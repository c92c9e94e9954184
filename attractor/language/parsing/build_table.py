"""Builds the parse table of `dot.lark` with lark and writes it to a file (`make tables`)."""

import json
from pathlib import Path
from typing import Any

from lark import Lark
from lark.parsers.lalr_analysis import Shift

from attractor.base.files import write_whole
from attractor.language.parsing.grammar import TABLE

_START = "pipeline"


def build_table() -> str:
    """Return the content of the table file."""
    lark: Any = Lark
    grammar = lark.open(
        "grammars/dot.lark", rel_to=str(Path(__file__).parent), parser="lalr", start=_START
    )
    table = grammar.parser.parser._parse_table
    rules = list(grammar.rules)
    numbers = {rule: number for number, rule in enumerate(rules)}
    order = _reached(table, table.start_states[_START])
    places = {state: place for place, state in enumerate(order)}
    states = [
        {
            symbol: places[argument] if action is Shift else -numbers[argument] - 1
            for symbol, (action, argument) in sorted(table.states[state].items())
        }
        for state in order
    ]
    written = {
        "end": places[table.end_states[_START]],
        "states": states,
        "rules": [_rule(rule) for rule in rules],
    }
    lines = json.dumps(written).replace("}, {", "},\n{").replace('], ["', '],\n["')
    return lines + "\n"


def _reached(table: Any, start: int) -> list[int]:
    """Return the states in the order of traversal: lark numbers them differently each time."""
    order = [start]
    for state in order:
        for _, (action, argument) in sorted(table.states[state].items()):
            if action is Shift and argument not in order:
                order.append(argument)
    return order


def _rule(rule: Any) -> list[object]:
    kept = [
        [place, str(symbol.name).startswith("__")]
        for place, symbol in enumerate(rule.expansion)
        if not symbol.is_term or not str(symbol.name).startswith("_")
    ]
    return [str(rule.origin.name), len(rule.expansion), kept, bool(rule.options.expand1)]


def main() -> None:
    """Write the file."""
    write_whole(TABLE, build_table())


if __name__ == "__main__":
    main()
