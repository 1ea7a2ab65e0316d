"""What a stack on Swarm looks like: its tasks, as far as this node tells."""

from collections import Counter

from labkit.engines.compose_stack import percent_of, size_of
from labkit.engines.docker import docker, records
from labkit.engines.swarm_stack import PROFILES, deployed
from labkit.home import Home
from labkit.stack.status import Row, Status


def look(home: Home) -> Status:
    """Look at the tasks that are to run; memory and CPU are those of this node's containers."""
    stack = deployed(home)
    if stack is None:
        return Status(False, "down", None, None, ())
    tasks = list(records("stack", "ps", "--no-trunc", stack.name))
    ended = Counter(task["Name"] for task in tasks if task["DesiredState"] != "Running")
    errors = {task["Name"]: task["Error"] for task in reversed(tasks) if task["Error"]}
    present = docker("ps", "-q", "--filter", stack.label).split()
    stats = {one["Name"]: one for one in records("stats", "--no-stream", *present)} if present else {}
    rows = []
    for task in sorted((one for one in tasks if one["DesiredState"] == "Running"), key=lambda one: str(one["Name"])):
        name, state = str(task["Name"]), str(task["CurrentState"]).split(" ")[0].lower()
        used = stats.get(f"{name}.{task['ID']}", {})
        rows.append(
            Row(
                name=name.removeprefix(f"{stack.name}_"),
                state="ready" if state == "running" else state,
                pid=None,
                port=None,
                rss=size_of(used.get("MemUsage", "").partition(" /")[0]),
                pss=None,
                cpu_percent=percent_of(used.get("CPUPerc", "")),
                restarts=ended[name],
                last_exit=errors.get(name),
            )
        )
    ready = not stack.waiting()
    return Status(ready, "up" if ready else "starting", None, "traefik", tuple(rows), PROFILES)
