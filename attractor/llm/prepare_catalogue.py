"""Writes the prepared catalogue of models from the installed table of litellm (`make tables`)."""

from attractor.base.files import write_whole
from attractor.llm.catalogue import PREPARED, find_table, prepare


def main() -> None:
    """Write the file."""
    write_whole(PREPARED, prepare(find_table()))


if __name__ == "__main__":
    main()
