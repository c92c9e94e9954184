"""The contrast of the themes."""

from attractor.language.drawing import theme as themes
from attractor.language.drawing.theme import (
    BOX_FILL,
    INK,
    MUTED,
    PAINTS,
    PLATE,
    ElementStyle,
    Paint,
    Theme,
    style_of_type,
)
from attractor.language.graph.graph import TYPE_OF_SHAPE

STYLES = [one for one in vars(themes).values() if isinstance(one, ElementStyle)]


def luminance(color: str) -> float:
    shares = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Paint, other: Paint, theme: Theme) -> float:
    darker, lighter = sorted((luminance(one.on(theme)), luminance(other.on(theme))))
    return (lighter + 0.05) / (darker + 0.05)


def test_text_and_lines_have_contrast_to_every_fill_behind_them() -> None:
    for theme in (Theme.LIGHT, Theme.DARK):
        for style in STYLES:
            for behind in (PLATE, BOX_FILL):
                assert contrast(style.text, behind, theme) >= 4.5
                assert contrast(style.line, behind, theme) >= 3
            assert contrast(style.text, style.fill, theme) >= 4.5


def test_each_light_color_has_one_dark_color() -> None:
    assert len({paint.light for paint in PAINTS}) == len(set(PAINTS))
    used = {paint for style in STYLES for paint in (style.line, style.fill, style.text)}
    assert used | {INK, MUTED} <= set(PAINTS)
    assert PLATE.on(Theme.AUTO) == PLATE.on(Theme.LIGHT) != PLATE.on(Theme.DARK)


def test_every_type_has_a_style() -> None:
    assert all(style_of_type(type_) in STYLES for type_ in [*TYPE_OF_SHAPE.values(), "other.type"])
