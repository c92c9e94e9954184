"""What a candidate is tried by: suites, trials, and how much of them it satisfies."""
