"""All that has to be there before containers can start."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.engines.env_file import file_of, make_variables, notifications_of
from labkit.engines.secrets import Made, make_secrets
from labkit.errors import CannotRun
from labkit.home import Home


@dataclass(frozen=True)
class Prepared:
    """The secrets, and the file of variables with what it says."""

    secrets: Made
    env_file: Path
    variables: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return names and places, never a secret."""
        return {
            "secrets": str(self.secrets.folder),
            "new": list(self.secrets.new),
            "kept": list(self.secrets.kept),
            "env_file": str(self.env_file),
            "variables": dict(self.variables),
        }


def prepare(home: Home, environ: Mapping[str, str]) -> Prepared:
    """Make secrets, variables and folders, those that are missing. Raises CannotRun where that is not allowed."""
    try:
        secrets = make_secrets(home)
        notifications = notifications_of(home)
        notifications.mkdir(parents=True, exist_ok=True)
        # The container writes as a user that this machine does not know; no other user gets as far as this folder.
        notifications.parent.chmod(0o700)
        notifications.chmod(0o777)
        return Prepared(secrets, file_of(home), make_variables(home, environ))
    except PermissionError as error:
        raise CannotRun(
            f"{error.filename} may not be written by this user; next: LAB_HOME=$HOME/.lab lab init"
        ) from None
