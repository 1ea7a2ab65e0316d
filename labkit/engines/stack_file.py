"""What docker-stack.yml needs of the shell beside the variables of `lab init`: digests of the files it names.

Swarm's configs and secrets cannot be changed. Their names end in a variable, one for each group of files that belong
together: another digest is another name, and only the services that read the group are replaced.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from labkit.errors import CannotRun

FILE = "docker-stack.yml"
_NAMED = re.compile(r'\$\{(LAB_[A-Z]+_FILES):-1\}", file: "([^"]+)"')
_SECRETS = re.compile(r"\$\{LAB_SECRETS[^}]*\}")


def digests(root: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return {variable: digest of its files}; `variables` are those of `lab init`. Raises CannotRun without a file."""
    contents: dict[str, list[bytes]] = {}
    for variable, path in _NAMED.findall((root / FILE).read_text(encoding="utf-8")):
        file = root / _SECRETS.sub(lambda _: variables["LAB_SECRETS"], path)
        try:
            contents.setdefault(variable, []).append(file.read_bytes())
        except OSError as error:
            raise CannotRun(f"{FILE} names {file}: {error.strerror}; next: lab init") from None
    return {variable: hashlib.sha256(b"\0".join(parts)).hexdigest()[:10] for variable, parts in contents.items()}
