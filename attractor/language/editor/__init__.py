"""What an editor asks about a text that is being written, and may be broken."""
