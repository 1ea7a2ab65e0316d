"""What a stack on Swarm looks like: its tasks, as far as this node tells."""

from collections import Counter

from labkit.engines.docker import docker, records, usage
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
    used = usage(present)
    rows = []
    for task in sorted((one for one in tasks if one["DesiredState"] == "Running"), key=lambda one: str(one["Name"])):
        name, state = str(task["Name"]), str(task["CurrentState"]).split(" ")[0].lower()
        memory, cpu = used.get(f"{name}.{task['ID']}", (None, None))
        rows.append(
            Row(
                name=name.removeprefix(f"{stack.name}_"),
                state="ready" if state == "running" else state,
                pid=None,
                port=None,
                rss=memory,
                pss=None,
                cpu_percent=cpu,
                restarts=ended[name],
                last_exit=errors.get(name),
            )
        )
    ready = not stack.waiting()
    return Status(ready, "up" if ready else "starting", None, "traefik", tuple(rows), PROFILES)
