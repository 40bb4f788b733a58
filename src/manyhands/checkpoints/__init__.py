"""Checkpoints as the driver sees them: where they are, and which of them may go. Workers write and read them."""
