"""The parts of one exchange with a model: conversation, answer, HTTP reply and wire format."""
