"""The texts in which a pipeline declares inputs, requirements, styles and templates."""
