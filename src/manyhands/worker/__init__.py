"""What runs beside the objective. Nothing in here imports more than the standard library."""
