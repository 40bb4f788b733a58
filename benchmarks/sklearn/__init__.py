"""Measurements of ``manyhands.sklearn`` beside scikit-learn's own searches and others; see ``benchmarks/README.md``."""
