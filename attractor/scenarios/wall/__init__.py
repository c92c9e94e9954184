"""The wall: the tests of a suite in one sandbox, the modules of the candidate in another."""
