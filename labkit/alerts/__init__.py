"""Notifications: the receiver that keeps them, the dead man's switch, and `lab alerts`."""
