"""The interviewers: one file a way to ask a person."""
