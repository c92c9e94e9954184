"""The graph of a pipeline: nodes, edges, attributes, and questions about them."""
