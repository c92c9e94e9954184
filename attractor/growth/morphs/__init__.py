"""The types of morphs, one file each."""
