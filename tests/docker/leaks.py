"""Looking for secrets where none belongs: what each place shows, and which secret is in it."""

import base64
import gzip
import json
import re
import subprocess
import tarfile
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import httpx

SECRET = re.compile(r"[A-Za-z0-9_-]{24,}")
CHUNK = 2**20


def secrets_below(folder: Path) -> dict[str, str]:
    """Return every random value in the files of a folder of secrets, by file; digests and plain words are none."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name != "api-keys.json":  # digests of keys, made to be shown
            for number, value in enumerate(SECRET.findall(file.read_text(encoding="utf-8"))):
                if re.search("[0-9]", value) and len(set(value)) > 10:
                    found[f"{file.relative_to(folder)}#{number}"] = value
    return found


class Hunt:
    """A search for several secrets, also as a URL or a Base64 text would hold them."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        forms = {
            form.encode(): name
            for name, value in secrets.items()
            for form in (
                value,
                urllib.parse.quote(value, safe=""),
                base64.b64encode(value.encode()).decode().rstrip("="),
            )
        }
        self._names = forms
        self._pattern = re.compile(b"|".join(re.escape(form) for form in forms))
        self._overlap = max(map(len, forms))
        self.looked: dict[str, int] = {}  # bytes looked through, by place
        self.found: set[str] = set()  # place and secret

    def look(self, place: str, *texts: bytes | str) -> None:
        """Search texts of one place."""
        for text in texts:
            content = text.encode() if isinstance(text, str) else text
            self.looked[place] = self.looked.get(place, 0) + len(content)
            self.found |= {f"{self._names[form]} in {place}" for form in self._pattern.findall(content)}

    def stream(self, place: str, chunks: Iterable[bytes]) -> None:
        """Search what is too large to be held at once."""
        kept = b""
        for chunk in chunks:
            self.look(place, kept + chunk)
            kept = chunk[-self._overlap :]


def image_history(image: str) -> str:
    return output("docker", "history", "--no-trunc", image) + output("docker", "image", "inspect", image)


def image_content(image: str) -> Iterator[bytes]:
    """Yield all that the layers of an image hold, deleted files of lower layers included."""
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
        assert saving.stdout
        with tarfile.open(fileobj=saving.stdout, mode="r|") as archive:
            for member in archive:
                if file := archive.extractfile(member):
                    first = file.read(CHUNK)
                    if first.startswith(b"\x1f\x8b"):
                        yield gzip.decompress(first + file.read())
                        continue
                    while first:
                        yield first
                        first = file.read(CHUNK)
    assert saving.returncode == 0


def processes_of(containers: Iterable[str]) -> Iterator[Path]:
    """Yield the folder below /proc of every process in the containers (full ids), those of healthchecks included."""
    wanted = tuple(containers)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = (folder / "cgroup").read_text(encoding="utf-8")
        except OSError:
            continue  # it ended meanwhile
        if any(container in group for container in wanted):
            yield folder


def environments(containers: Iterable[str]) -> Iterator[bytes]:
    """Yield the environment and the command line of every process in the containers, as they are now."""
    for folder in processes_of(containers):
        for name in ("environ", "cmdline"):
            try:
                yield (folder / name).read_bytes()
            except OSError:
                continue


def logs_of(container: str) -> bytes:
    """Return all that a container has written, its errors included."""
    done = subprocess.run(["docker", "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    return done.stdout


def metrics_of(prometheus: str, container: str) -> Iterator[tuple[str, bytes]]:
    """Yield job and text of all that Prometheus scrapes, fetched from inside its container, and its own facts."""
    with httpx.Client(timeout=10, trust_env=False) as client:
        targets = client.get(f"{prometheus}/api/v1/targets").json()["data"]["activeTargets"]
        for target in (one for one in targets if one["health"] == "up"):
            fetched = output("docker", "exec", container, "wget", "-q", "-O", "-", target["scrapeUrl"])
            yield target["labels"]["job"], fetched.encode()
        for facts in ("config", "flags", "runtimeinfo"):
            yield "prometheus", client.get(f"{prometheus}/api/v1/status/{facts}").content


def documents_of(elasticsearch: str, password: str) -> Iterator[bytes]:
    """Yield every document of a log store as it was sent, in pages."""
    with httpx.Client(base_url=elasticsearch, auth=("elastic", password), timeout=30, trust_env=False) as client:
        client.post("/_refresh")
        page = client.post("/_all/_search", params={"scroll": "1m"}, json={"size": 5000}).json()
        while hits := page["hits"]["hits"]:
            yield json.dumps(hits).encode()
            page = client.post("/_search/scroll", json={"scroll": "1m", "scroll_id": page["_scroll_id"]}).json()


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
