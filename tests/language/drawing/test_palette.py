import pytest

from attractor.language.drawing.palette import (
    BOX_FILL,
    INK,
    LOOKS,
    MUTED,
    PAINTS,
    PLATE,
    Look,
    Paint,
    Theme,
    look_of,
)
from attractor.language.shapes import TYPE_OF_SHAPE


def luminance(color: str) -> float:
    shares = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Paint, other: Paint, theme: Theme) -> float:
    darker, lighter = sorted((luminance(one.on(theme)), luminance(other.on(theme))))
    return (lighter + 0.05) / (darker + 0.05)


THEMES = pytest.mark.parametrize("theme", [Theme.LIGHT, Theme.DARK])


@THEMES
@pytest.mark.parametrize("look", LOOKS)
def test_every_text_can_be_read_on_whatever_is_behind_it(look: Look, theme: Theme) -> None:
    for behind in (look.fill, PLATE, BOX_FILL):
        assert contrast(look.text, behind, theme) >= 4.5


@THEMES
@pytest.mark.parametrize("look", LOOKS)
def test_every_line_can_be_seen(look: Look, theme: Theme) -> None:
    for beside in (PLATE, BOX_FILL):
        assert contrast(look.line, beside, theme) >= 3


def test_one_light_colour_has_one_dark_one() -> None:
    assert len({paint.light for paint in PAINTS}) == len(set(PAINTS))
    used = {paint for look in LOOKS for paint in (look.line, look.fill, look.text)}
    assert used | {INK, MUTED} <= set(PAINTS)


def test_auto_is_light_until_a_style_sheet_says_otherwise() -> None:
    assert PLATE.on(Theme.AUTO) == PLATE.on(Theme.LIGHT) != PLATE.on(Theme.DARK)


def test_every_type_has_a_look() -> None:
    assert all(look_of(type_) in LOOKS for type_ in [*TYPE_OF_SHAPE.values(), "of.somebody"])
