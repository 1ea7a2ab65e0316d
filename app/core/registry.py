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
    """Versions of one model, the stable one first, and the canary's share of the requests (0 to 1).

    The split is by smooth accumulation, not by chance: after n requests the canary has answered n times its share, give
    or take one.
    """

    def __init__(self, versions: Mapping[str, S], canary: str | None = None, share: float = 0.0) -> None:
        self.versions = dict(versions)
        self.stable = next(iter(self.versions.values()))
        self._canary = self.versions[canary] if canary else None
        self._share = share
        self._owed = 0.0

    def pick(self) -> S:
        """Return what answers the next request."""
        if self._canary is None:
            return self.stable
        self._owed += self._share
        if self._owed < 1.0:
            return self.stable
        self._owed -= 1.0
        return self._canary


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
