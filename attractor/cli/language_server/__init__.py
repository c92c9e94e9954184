"""The language server: what `attractor.language.editing` knows, in the editors' protocol."""
