"""The language server: `attractor.language.editor` over the Language Server Protocol."""
