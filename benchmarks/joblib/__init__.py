"""What the joblib backend costs, beside loky and joblib-spark in the same run."""
