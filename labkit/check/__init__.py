"""Checks of what runs: each says what it saw, whether that is right, and what to do when it is not."""
