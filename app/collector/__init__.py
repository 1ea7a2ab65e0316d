"""From GELF to a store of logs: receive, decode, write in bulk."""
