"""Says how two pipelines differ: in nodes, edges and attributes, not in lines."""
