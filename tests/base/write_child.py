"""Replaces a file until it is killed; prints the number of each content that it wrote."""

import os
import sys
from itertools import count

from attractor.base.files import write_whole


def content_of(number: int) -> bytes:
    """Return a content of varying length; its number at both ends shows that it is complete."""
    return b"%d " % number + b"x" * (number * 7919 % 300_000) + b" %d" % number


def main(path: str) -> None:
    """Write one content after the other."""
    for number in count(1):
        write_whole(path, content_of(number))
        os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    main(sys.argv[1])
