"""The checks of growth for suites, one file each; entry points of the package name them."""
