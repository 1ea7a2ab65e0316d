"""Notebooks, one question each: they are clients of the running stack, or of recordings of one."""
