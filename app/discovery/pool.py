"""Which replicas the edge is told of, from what the name server and the replicas themselves say."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """What a replica says to the question whether it is ready."""

    READY = "ready"
    REFUSED = "refused"  # it said no, or nobody listens there
    SILENT = "silent"  # nothing within the deadline: it is busy, or gone


@dataclass(frozen=True)
class Pool:
    """The replicas behind one name, as HOST:PORT in a fixed order.

    `keeps_last`: it never becomes empty by what is asked here; Traefik's own health checks judge what is left.
    """

    keeps_last: bool
    listed: tuple[str, ...] = ()

    def to_ask(self, named: tuple[str, ...] | None) -> tuple[str, ...]:
        """Return whom to ask; `named` is None when the name server gave no address."""
        return self.listed if named is None else named

    def after(self, named: tuple[str, ...] | None, answers: Mapping[str, Answer]) -> "Pool":
        """Return the pool after one round.

        A new replica comes in once it is ready. A silent one stays in as long as the name server names it: a busy
        replica must not lose its place. One that the name server does not name stays while it answers: a name server
        that fails takes nobody out.
        """
        stays = () if named is None else self.listed
        found = sorted(
            replica
            for replica, answer in answers.items()
            if answer is Answer.READY or (answer is Answer.SILENT and replica in stays)
        )
        if not found and self.keeps_last:
            return self
        return Pool(self.keeps_last, tuple(found))
