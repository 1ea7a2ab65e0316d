"""Which models are served, in which versions, and which version answers the next request."""

import re
from collections.abc import Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from app.core.errors import UnknownModel, WrongCanary
from app.core.model import ModelInfo

_RULE = re.compile(r"([a-z0-9_-]+):(v[0-9]+)=([0-9]+(?:\.[0-9]+)?)").fullmatch


class Served(Protocol):
    """Anything that serves one version of a model."""

    @property
    def info(self) -> ModelInfo: ...


S = TypeVar("S", bound=Served)


class Split(Generic[S]):
    """Versions of one model, in the order v1, v2, ..., and who answers: the stable one, or the canary for its share.

    The split is by smooth accumulation, not by chance: after n requests the canary has answered n times its share, give
    or take one, also when the share was changed in between (then n times the share of each time). Whoever changes it
    runs in the thread that picks: a request finds the split before or after the change, never within.
    """

    def __init__(self, versions: Mapping[str, S], canary: str | None = None, share: float = 0.0) -> None:
        """`share`: of the requests, 0 to 1, that the canary gets; the first version is the stable one."""
        self.versions = dict(versions)
        self._owed = 0.0
        self.route(next(iter(self.versions)), canary, share)

    def pick(self) -> S:
        """Return what answers the next request."""
        if self._canary is None:
            return self.stable
        self._owed += self._share
        if self._owed < 1.0:
            return self.stable
        self._owed -= 1.0
        return self._canary

    def route(self, stable: str, canary: str | None = None, share: float = 0.0) -> None:
        """Say who answers from now on; all of them are loaded. What the last canary is owed, the next one gets."""
        self.stable, self._canary = self.versions[stable], self.versions[canary] if canary else None
        self._share = share

    def add(self, served: S) -> None:
        """Take in a version; it answers nothing until it is routed to."""
        # A new dict: who walks through the old one is not disturbed.
        versions = {**self.versions, served.info.version: served}
        self.versions = {version: versions[version] for version in sorted(versions, key=version_number)}

    def drop(self, version: str) -> None:
        """Forget a version that nothing is routed to."""
        self.versions = {name: served for name, served in self.versions.items() if name != version}

    @property
    def canary(self) -> S | None:
        return self._canary

    @property
    def traffic(self) -> dict[str, float]:
        """The share of the requests that each version gets, 0 to 1."""
        shares = dict.fromkeys(self.versions, 0.0)
        share = 0.0 if self._canary is None else self._share
        shares[self.stable.info.version] += 1.0 - share
        if self._canary is not None:
            shares[self._canary.info.version] += share
        return shares


def version_number(version: str) -> int:
    """Return what versions are ordered by: v10 comes after v9."""
    return int(version.removeprefix("v"))


class Registry(Generic[S]):
    """All models by name; versions in the order v1, v2, ..."""

    def __init__(self, served: Iterable[S], canary: str = "") -> None:
        """`canary`: comma-separated rules such as "forest:v2=10" (percent). Raises WrongCanary."""
        by_name: dict[str, dict[str, S]] = {}
        for one in served:
            by_name.setdefault(one.info.name, {})[one.info.version] = one
        rules = dict(_canary_rule(rule, by_name) for rule in canary.split(",") if rule.strip())
        self.models = {name: Split(versions, *rules.get(name, ())) for name, versions in by_name.items()}

    def model(self, name: str) -> Split[S]:
        """Return the versions of a model. Raises UnknownModel."""
        try:
            return self.models[name]
        except KeyError:
            raise UnknownModel(f"no model {name!r}; there are: {', '.join(self.models)}") from None

    def version(self, name: str, version: str) -> S:
        """Return one version. Raises UnknownModel."""
        versions = self.model(name).versions
        try:
            return versions[version]
        except KeyError:
            raise UnknownModel(f"no version {version!r} of {name!r}; there are: {', '.join(versions)}") from None


def _canary_rule(rule: str, known: Mapping[str, Mapping[str, object]]) -> tuple[str, tuple[str, float]]:
    match = _RULE(rule.strip())
    if match is None:
        raise WrongCanary(f"canary rule {rule!r}: want MODEL:VERSION=PERCENT, such as forest:v2=10")
    name, version, percent = match[1], match[2], float(match[3])
    if version not in known.get(name, {}):
        raise WrongCanary(f"canary rule {rule!r}: no version {version!r} of a model {name!r}")
    if percent > 100:
        raise WrongCanary(f"canary rule {rule!r}: the weight is in percent, 0 to 100")
    return name, (version, percent / 100)
