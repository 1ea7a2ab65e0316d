"""The yardsticks, each a program: `python -m bench.servers.<name> PORT`."""
