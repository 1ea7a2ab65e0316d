"""Log records: one query language, two stores, the commands that ask them."""
