"""Scripts: rules that select the answer to a request."""
