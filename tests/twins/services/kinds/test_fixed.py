from tests.twins.services.asking import Asked, fixed


def test_fixed_route_reads_the_request() -> None:
    plain = 'm = "{{ method }}", q = "{{ query.q }}", b = "{{ body }}", v = "{{ visit }}"'
    message = f"{{ {plain}, h = \"{{{{ header['X-A'] }}}}\" }}"
    ask = Asked(fixed(message, "status = 203"))
    assert ask("GET /x?q=1", {"c": [2]}, x_a="h") == (
        203,
        {"m": "GET", "q": "1", "h": "h", "b": {"c": [2]}, "v": 1},
    )


def test_fixed_route_reads_the_state() -> None:
    message = '["{{ state.c.a.name }}", "{{ state.plain }}", "{{ state.c | length }}"]'
    ask = Asked('state = { plain = "p", c = [{ id = "a", name = "A" }] }\n' + fixed(message))
    assert ask("GET /x") == (200, ["A", "p", 1])
