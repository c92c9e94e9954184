"""The resources of a project: profiles, suites and pipelines, each with numbered versions."""
