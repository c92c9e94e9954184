import pytest

from attractor.config.origins import DEFAULT, Origin, OriginKind


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (DEFAULT, "default"),
        (Origin(OriginKind.USER, "/home/me/config.toml"), "/home/me/config.toml"),
        (Origin(OriginKind.PROJECT, "attractor.toml", 3), "attractor.toml:3"),
        (Origin(OriginKind.PROJECT, "attractor.toml", 3, 7), "attractor.toml:3:7"),
        (Origin(OriginKind.VARIABLE, "ATTRACTOR_STATE_DIR"), "ATTRACTOR_STATE_DIR"),
        (Origin(OriginKind.FLAG, "output.color=never"), "--config output.color=never"),
        (Origin(OriginKind.FLAG, "a=b\nc"), "--config a=b\\U0000000Ac"),
    ],
)
def test_an_origin_says_in_one_line_where_to_look(origin: Origin, said: str):
    assert origin.describe() == said


def test_the_layers_stand_in_the_order_in_which_they_win():
    assert list(OriginKind) == ["default", "user", "project", "variable", "flag"]
