"""`python -m app COMMAND`: all that one image can be started as. Nothing heavy is imported here: see `health`."""

import os
import sys

# What is run, what is said of it, and whether the module reads arguments itself.
COMMANDS = {
    "api": ("app.api", "serve predictions", False),
    "worker": ("app.worker", "answer jobs and store feedback from Kafka", False),
    "collector": ("app.collector", "take logs by GELF and keep them in a store", False),
    "discovery": ("app.discovery", "tell Traefik which replicas there are", False),
    "train": ("app.training.retrain", "train a new version on what clients said", True),
    "alerts": ("labkit.alerts", "receive the notifications of Alertmanager", True),
    "health": ("app.health", "exit 0 when the service in this container is ready, 1 when it is not", True),
}
USAGE = f"usage: python -m app {'|'.join(COMMANDS)} [--help]"
EXAMPLE = """example:
  LAB_API_PORT=8000 python -m app api

Settings are LAB_* variables, or files: LAB_REDIS_URL_FILE=/run/secrets/redis-url gives LAB_REDIS_URL.
"""
HELP = (["--help"], ["-h"])


def main(arguments: list[str]) -> int:
    """Become the command; return 2 when there is none such."""
    if arguments in HELP:
        described = "\n".join(f"  {name:<10} {text}" for name, (_, text, _) in COMMANDS.items())
        print(f"{USAGE}\n\n{described}\n\n{EXAMPLE}", end="")
        return 0
    name, *rest = arguments or [""]
    if name not in COMMANDS:
        print(f"app: no command {name!r}; {USAGE}", file=sys.stderr)
        return 2
    module, text, reads_arguments = COMMANDS[name]
    if name == "health":
        from app.health import main as health

        return health(rest)
    if rest and not reads_arguments:
        if rest in HELP:
            print(f"python -m app {name}: {text}\n\n{EXAMPLE}", end="")
            return 0
        print(f"app: {name} takes no arguments but --help; its settings are LAB_* variables", file=sys.stderr)
        return 2
    # Another program and no import: labkit is none of ours, and tools show the service by its own name.
    return os.execv(sys.executable, [sys.executable, "-m", module, *rest])  # noqa: S606 - a shell would be in the way


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
