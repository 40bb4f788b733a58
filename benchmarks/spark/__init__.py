"""Measurements of searches on Spark, ours beside those of other libraries; see ``benchmarks/README.md``."""
