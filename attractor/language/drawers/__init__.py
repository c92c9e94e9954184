"""One file a program that draws; they are asked in the order of their names."""
