from pathlib import Path

import httpx

from attractor.twins.services.pytest_plugin import StartServiceTwin
from tests.twins.services.asking import fixed


def test_several_twins_run_side_by_side(service_twin: StartServiceTwin, tmp_path: Path) -> None:
    (tmp_path / "twin.toml").write_text('name = "one"\n' + fixed("1"))
    one, two = service_twin(tmp_path), service_twin('name = "two"\n' + fixed("2"))
    assert [httpx.get(twin.url + "/x").json() for twin in (one, two)] == [1, 2]
