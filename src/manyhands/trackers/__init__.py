"""What listens to a search. Each file is one listener."""
