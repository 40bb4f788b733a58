"""What early stopping saves when real models are trained, and what it loses by that."""
