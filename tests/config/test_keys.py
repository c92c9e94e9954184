from hypothesis import given
from hypothesis import strategies as st

from attractor.config.keys import path_of_variable, variable_name

NAMES = st.from_regex(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", fullmatch=True)


@given(st.lists(NAMES, min_size=1, max_size=4).map(tuple))
def test_the_variable_of_a_setting_names_that_setting(path: tuple[str, ...]):
    assert path_of_variable(variable_name(path)) == path


def test_variables_are_upper_case_with_two_underscores_between_levels():
    assert variable_name(("doctor", "min_free_mb")) == "ATTRACTOR_DOCTOR__MIN_FREE_MB"


def test_a_variable_not_in_upper_case_does_not_name_the_setting():
    assert path_of_variable("ATTRACTOR_Runs_dir") != ("runs_dir",)
