"""The outside world of a run: folders, variables, clock, people, parts that a program passes."""
