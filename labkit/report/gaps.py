"""Where sent and counted differ in a row: what the log records say of it, with numbers, and what nobody has."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from labkit.report.run_folder import Logged, Logs

Key = tuple[str, str, str]  # method, route template, status
NO_ANSWER = "0"


class Gap(NamedTuple):
    """A row that is off, or would be without its log records."""

    key: Key
    sent: int
    counted: int

    @property
    def name(self) -> str:
        method, route, status = self.key
        return f"{method} {route} {'without an answer' if status == NO_ANSWER else status}"


class Account:
    """What the records of one run know, taken once each: an explanation is not used for two rows."""

    def __init__(
        self, logs: Logs, ended: Sequence[str], seen: Mapping[Key, int], silent: Mapping[tuple[str, str], int]
    ):
        """`ended`: replicas that ended in the run; `seen`: what Prometheus had last seen of those, by row."""
        self.logged = by_key(logs.requests)
        self._twice = by_key(logs.twice)
        self.logged.subtract(self._twice)
        self._edge = by_key(logs.edge)
        self._alone = by_key(logs.edge_alone)
        self._changed = Counter({(*_key(one), one.replied): one.n for one in logs.edge_changed})
        self._ended = ended
        self._seen = seen
        self._silent = Counter(silent)

    def explained(self, gap: Gap) -> tuple[int, list[str]]:
        """Return how many of |sent - counted| are explained, and the sentences that do so."""
        if gap.key[2] == NO_ANSWER:
            return gap.sent, [self._unheard(gap)]
        steps = self._missing(gap) if gap.sent > gap.counted else self._more(gap)
        left, texts = abs(gap.sent - gap.counted), []
        whole = left
        for known, text in steps:
            n = min(left, known)
            if n > 0:
                left -= n
                texts.append(text.format(n=n))
        if left:
            texts.append(f"{left} of them nothing that this run has explains")
        return whole - left, [f"{gap.name}: sent {gap.sent}, counted {gap.counted}: " + "; ".join(texts)]

    def _missing(self, gap: Gap) -> Iterator[tuple[int, str]]:
        """Yield (how many at most, the sentence) for requests that were answered and that no counter has."""
        key, logged = gap.key, self.logged[gap.key]
        if self._ended:
            seen = f" (its last scrape had {self._seen[key]})" if key in self._seen else ""
            yield (
                max(0, logged - gap.counted),
                f"{{n}} are in the log, their counter ended with {_names(self._ended)}{seen}",
            )
        yield self._alone[key], "{n} the edge answered itself, no replica has a record"
        for (method, route, status, replied), n in self._changed.items():
            if (method, route, status) == key:
                yield (
                    n,
                    f"{{n}} the edge answered after a replica had replied {replied}: that reply was lost on its way",
                )
        if self._ended:
            known = max(logged, gap.counted) + self._alone[key] + self._all_changed(key)
            yield (
                max(0, self._edge[key] - known),
                f"{{n}} only the edge has a record of, {_names(self._ended)} ended before it sent its own",
            )

    def _more(self, gap: Gap) -> Iterator[tuple[int, str]]:
        """Yield the same for requests that were counted and that the client does not have with this status."""
        for (method, route, status, replied), n in self._changed.items():
            if (method, route, replied) == gap.key:
                yield n, f"{{n}} the client got as {status} from the edge: the reply was lost on its way"
        twice = self._twice[gap.key]
        yield twice, "{n} the edge sent to another replica after the first had them, and both counted them"
        silent = self._silent[gap.key[:2]]
        ours = max(0, self.logged[gap.key] - gap.sent)
        yield min(silent, ours), "{n} have a record with an id of this run, and the client heard no answer"
        others = max(0, gap.counted - twice - self.logged[gap.key])
        yield others, "{n} have no id of this run: other traffic on that route"

    def _unheard(self, gap: Gap) -> str:
        edge = {status: n for (method, route, status), n in self._edge.items() if (method, route) == gap.key[:2]}
        at_edge = ", ".join(f"{status}: {n}" for status, n in sorted(edge.items())) or "no record"
        logged = sum(n for key, n in self.logged.items() if key[:2] == gap.key[:2])
        return (
            f"{gap.name}: {gap.sent} requests got none at the client; of all with that route the edge has {at_edge}, "
            f"the replicas' logs have {logged}"
        )

    def _all_changed(self, key: Key) -> int:
        return sum(n for (*found, _), n in self._changed.items() if tuple(found) == key)


def by_key(found: Iterable[Logged]) -> Counter[Key]:
    total: Counter[Key] = Counter()
    for one in found:
        total[_key(one)] += one.n
    return total


def _key(one: Logged) -> Key:
    return one.method, one.route, one.status


def _names(ended: Sequence[str]) -> str:
    """http://127.0.0.1:18101/metrics -> 127.0.0.1:18101."""
    return " and ".join(url.split("//", 1)[-1].split("/", 1)[0] for url in ended)
