"""The frame of all pages: navigation, templates, icons, scripts and style sheets."""
