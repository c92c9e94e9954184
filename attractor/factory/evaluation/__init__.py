"""The evaluation of a run: trials, rules of the gate, leaks and feedback."""
