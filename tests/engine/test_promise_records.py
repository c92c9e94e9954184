from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import canonical_json, parse_json
from attractor.engine.fields import Fields
from attractor.engine.promise_records import NAMES, promises_from_record, promises_to_record
from attractor.environments.environment import Promises


@given(st.builds(Promises))
def test_promises_come_back_as_they_were(promises: Promises) -> None:
    written = canonical_json(promises_to_record(promises))
    assert promises_from_record(Fields(parse_json(written), "test")) == promises
    assert set(promises_to_record(promises)) == set(NAMES)
