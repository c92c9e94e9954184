"""What a plan would change, shown before it is built and before it is deployed."""
