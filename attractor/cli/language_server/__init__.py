"""The language server: what `attractor.language.editor` knows, in the editors' protocol."""
