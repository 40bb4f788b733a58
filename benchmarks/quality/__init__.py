"""How good the points are that samplers suggest, ours and others', on problems that resemble tuning."""
