"""Drawings inside of pages."""

import re

from markupsafe import Markup

_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)


def inline_drawing(svg: str) -> Markup:
    """Return a drawing to insert into a page; a style sheet of the pages has its colours."""
    return Markup(_STYLE.sub("", svg[svg.index("<svg") :]))
