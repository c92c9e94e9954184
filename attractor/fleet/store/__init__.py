"""The store of run directories: files to blobs, and back."""
