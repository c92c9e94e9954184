import json

from tests.twins.services.asking import Asked, fixed

AUTH = '[auth]\nkind = "header"\nname = "X-Pay"\nkey = "s3cret/+"\n'


def test_keys_are_hidden_wherever_they_stand() -> None:
    ask = Asked(AUTH + fixed("1"))
    ask("GET /x?k=s3cret%2F%2B&n=1", {"a": ["s3cret/+", 2]}, x_pay="s3cret/+", cookie="c")
    ask("GET /s3cret%2F%2B", authorization="Bearer other", x_api_key="theirs")
    first, second = (one.record() for one in ask.stand_in.requests)
    assert first["headers"] == {"x-pay": "[hidden]", "cookie": "[hidden]"}
    assert first["query"] == {"k": "[hidden]", "n": "1"}
    assert first["body"] == {"a": ["[hidden]", 2]}
    assert second["path"] == "/[hidden]"
    assert "[hidden]" in str(second["why"])
    told = json.dumps([first, second])
    assert not [one for one in ("s3cret", "other", "theirs") if one in told]


def test_it_tells_who_answered_when_and_how() -> None:
    ask = Asked(
        'clock.step = "1m"\n' + fixed("1", 'name = "it"\nfaults = [{ kind = "cut", on = [2] }]')
    )
    ask("GET /x")
    ask("GET /x")
    told = [
        (one.number, one.at, one.route, one.visit, one.status, one.fault)
        for one in ask.stand_in.requests
    ]
    assert told == [
        (1, "2026-01-01T00:00:00Z", "it", 1, 200, ""),
        (2, "2026-01-01T00:01:00Z", "it", 2, 200, "cut"),
    ]
