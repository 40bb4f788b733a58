"""Tree-structured Parzen estimators: search by the ratio of two densities, of good configurations and of others."""
