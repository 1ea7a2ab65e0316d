"""Which version of a model answers, as the routes file says it."""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from app.core.errors import WrongRoutes

MOST_VERSIONS: Final = 3
"""Of one model that are loaded at once: memory stays bounded however often it is trained."""

Version = Annotated[str, msgspec.Meta(pattern="^v[1-9][0-9]{0,8}$")]


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The stable version, the canary with its weight in percent, and the stable version before this one."""

    stable: Version
    canary: Version | None = None
    weight: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.0
    previous: Version | None = None

    @property
    def loaded(self) -> tuple[str, ...]:
        """The versions that must be there: those that answer, and the one that a rollback goes to."""
        return tuple(version for version in (self.stable, self.canary, self.previous) if version)


_decode = msgspec.json.Decoder(dict[str, Route]).decode


def decode_routes(content: bytes) -> dict[str, Route]:
    """Return the routes by model. Raises WrongRoutes with the place and the value that does not fit."""
    try:
        routes = _decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WrongRoutes(f"not a routes file ({error})") from None
    for model, route in routes.items():
        if route.canary == route.stable:
            raise WrongRoutes(f"{model}: {route.stable} is the stable version and the canary")
        if route.weight and not route.canary:
            raise WrongRoutes(f"{model}: weight {route.weight:g}, but no canary")
    return routes


def surplus(versions: Mapping[str, object], route: Route) -> list[str]:
    """Return the versions to forget, oldest first: more than MOST_VERSIONS are loaded, and the route names none of
    these; `versions` is ordered from old to new.
    """
    unused = [version for version in versions if version not in route.loaded]
    return unused[: max(len(versions) - MOST_VERSIONS, 0)]
