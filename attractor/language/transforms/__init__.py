"""One file a built-in transform; its `order` says when its turn is."""
