from tests.tables import table
from tests.twins.services.asking import Asked

ROUTE = """
[[routes]]
path = "/x"
kind = "sequence"
answers = [{ status = 202, json = "pending" }, { json = "done" }]
then = "{then}"
"""


@table(("then", "last"), [("stay", (200, "done")), ("repeat", (202, "pending"))])
def test_answers_come_in_order_and_then_as_declared(then: str, last: tuple[int, str]) -> None:
    ask = Asked(ROUTE.replace("{then}", then))
    assert [ask("GET /x") for _ in range(3)] == [(202, "pending"), (200, "done"), last]
    ask.dispatcher.reset()
    assert ask("GET /x")[0] == 202


def test_sequence_may_fail_after_its_last_answer() -> None:
    ask = Asked(ROUTE.replace("{then}", "fail"))
    status, body = [ask("GET /x") for _ in range(3)][-1]
    assert (status, body["error"]["code"]) == (500, "sequence_ended")
    assert "request 3, but the sequence has only 2 answers" in body["error"]["message"]
