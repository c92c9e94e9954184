"""Values of one exchange with a model: conversation, answer, reply, wire."""
