"""Measurements of what Manyhands costs, each held against a target; see README.md."""
