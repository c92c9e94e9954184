"""A light door to what few pipelines need: it is imported when it is first asked for.

Every start of a program would pay for it otherwise.
"""

from typing import TYPE_CHECKING

from attractor.base import lazy_exports as light_door

if TYPE_CHECKING:
    from attractor.language.condition_grammar import parse_extended as parse_extended
    from attractor.language.condition_writing import beyond_the_core as beyond_the_core
    from attractor.language.dead_conditions import why_dead as why_dead
    from attractor.language.drawing.unknown_colors import unknown_colors as unknown_colors
    from attractor.language.importing import import_files as import_files
    from attractor.language.inputs import read_inputs as read_inputs
    from attractor.language.invisible import named as named
    from attractor.language.invisible import odd_blanks as odd_blanks
    from attractor.language.list_mistakes import report_list_mistake as report_list_mistake
    from attractor.language.mending import mend as mend
    from attractor.language.needs import read_needs as read_needs
    from attractor.language.recovering import recover as recover
    from attractor.language.run_files import look_at_pipelines as look_at_pipelines
    from attractor.language.secret_inputs import find_secret_mistakes as find_secret_mistakes
    from attractor.language.stylesheet import read_stylesheet as read_stylesheet
    from attractor.language.templates import read_template as read_template

_HOMES = {
    "beyond_the_core": "condition_writing",
    "find_secret_mistakes": "secret_inputs",
    "import_files": "importing",
    "look_at_pipelines": "run_files",
    "mend": "mending",
    "named": "invisible",
    "odd_blanks": "invisible",
    "parse_extended": "condition_grammar",
    "read_inputs": "inputs",
    "read_needs": "needs",
    "read_stylesheet": "stylesheet",
    "read_template": "templates",
    "recover": "recovering",
    "report_list_mistake": "list_mistakes",
    "unknown_colors": "drawing.unknown_colors",
    "why_dead": "dead_conditions",
}

__getattr__ = light_door.opening(__name__, _HOMES, below="attractor.language")
