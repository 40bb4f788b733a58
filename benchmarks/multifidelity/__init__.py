"""Search with early stopping, ours and other libraries', on real learning curves in simulated time."""
