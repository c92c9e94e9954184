"""Cases: calls of the candidate and the values that are expected, one on each line of a file."""
