"""What the Hyperopt layer costs, beside Hyperopt itself in the same run."""
