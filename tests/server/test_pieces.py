"""Updates of pages by pieces: only changes travel, and not too many at once."""

from attractor.server.pieces import MOST_BYTES, PieceSource, PieceVersions

SIZE = 500


def test_many_changes_travel_in_several_answers_of_a_bounded_size() -> None:
    versions = PieceVersions()

    def answer(state: str, token: str) -> tuple[list[str], int, str, bool]:
        """Return the pieces in an answer, its size, its token, and whether more wait."""
        pieces = PieceSource(versions, token)("rows")
        size, sent = 0, list[str]()
        for name in map(str, range(40)):
            # A row of the second half is inside of an element of its own.
            row = f"{name} {state}".ljust(SIZE)
            text = (
                pieces(name, lambda row=row: row)
                if int(name) < 20
                else pieces.shell(
                    f"shell-{name}", lambda name=name, row=row: pieces(name, lambda: row)
                )
            )
            size, sent = size + len(text), [*sent, name] if text else sent
        return sent, size, pieces.version, pieces.has_more

    names, size, token, has_more = answer("old", "")
    assert (len(names), size, has_more) == (40, 40 * SIZE, False)
    whole, found = names, list[str]()
    turns = 0
    while has_more or not turns:
        names, size, token, has_more = answer("new", token)
        assert names
        assert size < MOST_BYTES + SIZE
        found += names
        turns += 1
    assert (turns, found) == (3, whole)
    assert answer("new", token)[:2] == ([], 0)


def test_pieces_that_a_fragment_lacks_are_removed_by_name() -> None:
    versions = PieceVersions()
    pieces = PieceSource(versions)("rows")
    for key in ("row-1", "row-2", "head"):
        pieces(key, lambda key=key: key)
    source = PieceSource(versions, pieces.version)
    less = source("rows")
    less("row-2", lambda: "row-2")
    assert less.gone("row-") == "row-1"
    # The head has no such name: only the whole fragment removes it.
    assert less.lacks_pieces
    less("head", lambda: "head")
    assert not less.lacks_pieces
