"""What a stage is told: inherited context, preamble, rendered templates."""
