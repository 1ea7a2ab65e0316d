"""Messages to send: trucks that say where they are."""

import json
import random
from typing import NamedTuple

STEP_DEGREES = 0.002
START = (-0.18, -78.47)


class Message(NamedTuple):
    """Key and value as bytes, as Kafka keeps them."""

    key: bytes
    value: bytes


def positions(trucks: int, each: int, seed: int = 7) -> list[Message]:
    """Return `each` positions of every truck in the order in which they come: one round of all trucks after another.

    The key is the truck's id; `number` counts the truck's own messages from 1.
    """
    chance = random.Random(seed)  # noqa: S311  (a drive through a city is no secret)
    names = [f"truck-{n}" for n in range(1, trucks + 1)]
    where = dict.fromkeys(names, START)
    sent = []
    for number in range(1, each + 1):
        for name in names:
            latitude, longitude = (at + chance.uniform(-STEP_DEGREES, STEP_DEGREES) for at in where[name])
            where[name] = (latitude, longitude)
            value = {"number": number, "latitude": round(latitude, 5), "longitude": round(longitude, 5)}
            sent.append(Message(name.encode(), json.dumps(value).encode()))
    return sent
