"""JSON records, secrets, blobs and artifacts on disk."""
