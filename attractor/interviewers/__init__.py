"""The interviewers: one file for each way to ask a person."""
