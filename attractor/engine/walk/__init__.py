"""The walk through a graph: steps, visits, attempts, branches."""
