"""Workers on Spark: each is a long-running task of its own, and trials flow to it past Spark's scheduler."""
