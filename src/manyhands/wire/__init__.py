"""What travels between a driver and its workers: frames, messages, and the payload."""
