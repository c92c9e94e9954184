from tests.twins.services.asking import PEOPLE, Asked

ROUTES = """
[[routes]]
path = "/people/{id}"
kind = "get"
collection = "people"
[[routes]]
path = "/cities"
kind = "get"
collection = "people"
id = "{{ query.of }}"
json = "{{ record.city }}"
[[routes]]
method = "POST"
path = "/people"
kind = "create"
collection = "people"
required = ["city"]
defaults = { age = 0, city = "never" }
sets = { link = "/people/{{ id }}" }
headers = { location = "/people/{{ record.id }}" }
[[routes]]
method = "PATCH"
path = "/people/{id}"
kind = "update"
collection = "people"
sets = { before = "{{ record.age }}" }
[[routes]]
method = "PUT"
path = "/people/{id}"
kind = "update"
collection = "people"
replace = true
required = ["city"]
[[routes]]
method = "DELETE"
path = "/people/{id}"
kind = "delete"
collection = "people"
[[routes]]
method = "POST"
path = "/people/{id}/drop"
kind = "delete"
collection = "people"
json = { dropped = "{{ record.id }}" }
"""
BO = {"id": "bo", "city": "Oslo", "age": 7}


def asked() -> Asked:
    return Asked(PEOPLE + ROUTES)


def test_get_returns_a_record_or_404() -> None:
    ask = asked()
    assert ask("GET /people/bo") == (200, BO)
    assert ask("GET /cities?of=ada") == (200, "London")
    error = {"code": "not_found", "message": "there is no 'cy' in people"}
    assert ask("GET /people/cy") == (404, {"error": error})


def test_create_adds_sent_and_declared_fields() -> None:
    ask = asked()
    made = {"id": "1", "age": 0, "city": "Rome", "link": "/people/1"}
    assert ask("POST /people", {"city": "Rome", "id": "mine"}) == (201, made)
    assert ask("GET /people/1") == (200, made)
    assert ask("POST /people", {"age": 1})[1]["error"]["code"] == "missing_field"


def test_update_merges_or_replaces_and_keeps_the_id() -> None:
    ask = asked()
    changed = {**BO, "age": 8, "before": 7}
    assert ask("PATCH /people/bo", {"age": 8, "id": "x"}) == (200, changed)
    assert ask("PUT /people/bo", {"city": "Bergen"}) == (200, {"id": "bo", "city": "Bergen"})
    assert ask("GET /people/bo") == (200, {"id": "bo", "city": "Bergen"})
    assert ask("PUT /people/bo", {})[0] == 400
    assert ask("PATCH /people/cy", {})[0] == 404


def test_delete_takes_a_record_out() -> None:
    ask = asked()
    assert ask("DELETE /people/bo") == (204, None)
    assert ask("DELETE /people/bo")[0] == 404
    assert ask("POST /people/ada/drop") == (200, {"dropped": "ada"})
    assert ask.dispatcher.state() == {"people": {}}
    ask.dispatcher.reset()
    assert ask("GET /people/bo") == (200, BO)


def test_where_limits_the_records_that_are_found() -> None:
    routes = "".join(
        f"""
[[routes]]
method = "{method}"
path = "/in/{{city}}/{{id}}"
kind = "{kind}"
collection = "people"
where = {{ city = "{{{{ path.city }}}}", age = 7 }}
"""
        for method, kind in (("GET", "get"), ("PATCH", "update"), ("DELETE", "delete"))
    )
    ask = Asked(PEOPLE + routes)
    for method in ("GET", "PATCH", "DELETE"):
        # Another city, another age, and no such record.
        for place in ("/in/London/bo", "/in/London/ada", "/in/Oslo/cy"):
            status, body = ask(f"{method} {place}", {"city": "Rome"})
            assert (status, body["error"]["code"]) == (404, "not_found")
    assert ask("GET /in/Oslo/bo") == (200, BO)
    assert ask("PATCH /in/Oslo/bo", {"name": "Bo"}) == (200, {**BO, "name": "Bo"})
    assert ask("DELETE /in/Oslo/bo")[0] == 204
