"""The handlers of growth, one file each; entry points of the package name them."""
