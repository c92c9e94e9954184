"""The kinds of places in which the stages of a run can work, one file each."""
