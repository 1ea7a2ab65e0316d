"""Where a notebook's answers come from: the stack that runs here, or samples recorded from one."""

from notebooks.source.opening import Source, open_source

__all__ = ["Source", "open_source"]
