"""Release targets: the places where an app runs, one file each."""
