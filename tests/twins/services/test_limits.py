from datetime import timedelta

import pytest

from attractor.twins.errors import Rejection
from attractor.twins.services.limits import Gauge, Limit

TWO_A_MINUTE = Limit.model_validate({"requests": 2, "per": "1m"})


def passed(gauge: Gauge, seconds: int, name: str = "a") -> bool:
    try:
        gauge.pass_or_reject(name, TWO_A_MINUTE, timedelta(seconds=seconds))
    except Rejection:
        return False
    return True


def test_so_many_pass_in_each_stretch_of_time() -> None:
    gauge = Gauge({})
    assert [passed(gauge, at) for at in (0, 10, 20, 59, 60, 61, 62)] == [
        *(True, True, False, False),
        *(True, True, False),
    ]
    assert passed(gauge, 62, "b")
    with pytest.raises(Rejection) as caught:
        gauge.pass_or_reject("a", TWO_A_MINUTE, timedelta(seconds=80))
    assert (caught.value.status, caught.value.retry_after) == (429, timedelta(seconds=40))


@pytest.mark.parametrize("table", [{"requests": 0, "per": "1m"}, {"requests": 1, "per": "0s"}])
def test_a_limit_that_lets_nothing_pass_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="greater|longer"):
        Limit.model_validate(table)
