"""Places where workers run. Each file is one of them and can do no more than run workers there."""
