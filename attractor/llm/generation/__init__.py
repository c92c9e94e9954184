"""Generates text and objects: the tool loop, its options, streams and synchronous versions."""
