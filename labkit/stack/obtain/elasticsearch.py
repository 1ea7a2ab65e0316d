"""Elasticsearch: the server's core modules from Maven Central, in an assembly of our own, in the cache of the user's.

It is the real server (its own jars, held to the digests in elasticsearch_jars/ every time before it is used), but not
the distribution that Elastic publishes: painless, ingest, ILM, ES|QL and security are not part of it. Two classes of
ours, in elasticsearch_java/, start it and answer `GET /`; Eclipse's compiler makes them where this runs.
"""

import hashlib
import os
import subprocess
import zipfile
from pathlib import Path
from shutil import copyfile, rmtree

from labkit.errors import CannotRun
from labkit.home import Home
from labkit.stack.obtain import java
from labkit.stack.obtain.maven import Jars
from labkit.stack.obtain.program import Program, Say
from labkit.stack.obtain.user_cache import alone_in, caches, writable_cache
from labkit.stack.obtain.workspace import reason, run, workspace

VERSION = "9.5.3"
JAVA = (21,)
SOURCES = Path(__file__).with_name("elasticsearch_java")
WITHOUT = "without Elasticsearch: lab up (logs go to SQLite)"
JARS = Jars(
    "elasticsearch",
    VERSION,
    (
        f"org.elasticsearch:elasticsearch:{VERSION}",
        f"org.elasticsearch.plugin:transport-netty4:{VERSION}",
        "org.eclipse.jdt:ecj:3.41.0",
    ),
    Path(__file__).with_name("elasticsearch_jars") / f"{VERSION}.sha256",
    WITHOUT,
)
NETTY = Path("modules", "transport-netty4")
ROOT = Path("modules", "rest-root-min")
LIBRARIES, COMPILER, CLASSES = Path("lib"), Path("compiler"), Path("classes")
DESCRIPTOR = "plugin-descriptor.properties"
# Half of the memory is the heap; the rest is machine code, buffers and threads.
SMALL = (
    "-Xms128m", "-Xmx128m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=64m",
    "-XX:MaxDirectMemorySize=32m",
)  # fmt: skip
"""Flags of a node that keeps some hundred megabytes of logs."""


def settings(http: str | int, transport: str | int, data: str | Path) -> tuple[str, ...]:
    """Return the flags that a node needs: its two ports on 127.0.0.1, and its folder.

    They and SMALL stand before the arguments of the Program: `java FLAGS... ARGUMENTS...`.
    """
    given = {
        "http.port": http,
        "transport.port": transport,
        "path.data": data,
        "cluster.routing.allocation.disk.threshold_enabled": "false",  # the collector bounds the size
        "action.auto_create_index": "false",  # a name that nobody made is a mistake
    }
    return tuple(f"-Des.{name}={value}" for name, value in given.items())


def find(home: Home) -> Program | None:
    """Return how to start it: `path` is Java, `arguments` begin after the flags and end with the assembly's folder."""
    for cache in caches(home):
        folder = cache / _folder_name()
        if _flaw(folder) is None and (runtime := java.find(home, JAVA)):
            origin = f"core modules of the server in our own assembly: {len(JARS.locked)} jars, their digests verified"
            return Program("elasticsearch", runtime.path, VERSION, origin, _arguments(folder))
    return None


def would(home: Home) -> str:
    return f"fetch {len(JARS.locked)} jars (47 MB) from Maven Central and compile two classes into {caches(home)[0]}"


def obtain(home: Home, say: Say) -> Program:
    runtime = java.find(home, JAVA) or java.obtain(home, say, JAVA)
    cache = writable_cache(home)
    target = cache / _folder_name()
    with alone_in(cache, say), workspace(cache) as folder:
        if found := find(home):  # another command has obtained it meanwhile
            return found
        made = folder / "assembly"
        jars = JARS.fetch(folder, runtime, say)
        for name, path in jars.items():
            (made / _place(name)).parent.mkdir(parents=True, exist_ok=True)
            path.replace(made / _place(name))
        try:
            _describe_netty(made)
            _compile(made, folder, runtime, say)
        except (subprocess.SubprocessError, OSError, KeyError, zipfile.BadZipFile) as error:
            raise CannotRun(
                f"elasticsearch {VERSION} cannot be put together ({reason(error)}); next: {WITHOUT}"
            ) from None
        rmtree(target, ignore_errors=True)
        made.replace(target)
    found = find(home)
    if found is None:
        raise CannotRun(f"{target} changed while it was put there; next: lab up again")
    return found


def _folder_name() -> str:
    """Name the assembly after what it is made of: changed sources make another one."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.iterdir()):
        digest.update(path.read_bytes())
    return f"elasticsearch-{VERSION}-{digest.hexdigest()[:8]}"


def _place(jar: str) -> Path:
    """Return where in the assembly a jar belongs: a module has its own class loader."""
    if jar.startswith(("netty-", "transport-netty4-")):
        return NETTY / jar
    return (COMPILER if jar.startswith("ecj-") else LIBRARIES) / jar


def _flaw(folder: Path) -> str | None:
    """Return what keeps the folder from being the assembly, None when it is."""
    made = (NETTY / DESCRIPTOR, ROOT / DESCRIPTOR, ROOT / "root.jar", CLASSES / "lab" / "Node.class")
    if missing := [str(path) for path in made if not (folder / path).is_file()]:
        return f"{missing[0]} is missing"
    jars = {path.name: path for path in folder.rglob("*.jar") if path != folder / ROOT / "root.jar"}
    if flaw := JARS.flaw(jars):
        return flaw
    misplaced = [name for name, path in jars.items() if path != folder / _place(name)]
    return f"{misplaced[0]} is in another place" if misplaced else None


def _arguments(folder: Path) -> tuple[str, ...]:
    class_path = os.pathsep.join((str(folder / CLASSES), f"{folder / LIBRARIES}/*"))
    return ("--enable-native-access=ALL-UNNAMED", "-cp", class_path, "lab.Node", str(folder))


def _describe_netty(made: Path) -> None:
    """Put the module's own descriptor beside its jar; our class path has no named modules."""
    with zipfile.ZipFile(made / NETTY / f"transport-netty4-{VERSION}.jar") as jar:
        described = jar.read(f"META-INF/es-plugins/transport-netty4/{DESCRIPTOR}").decode()
        policy = jar.read("META-INF/es-plugins/transport-netty4/entitlement-policy.yaml")
    lines = [line for line in described.splitlines() if not line.startswith("modulename")]
    (made / NETTY / DESCRIPTOR).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (made / NETTY / "entitlement-policy.yaml").write_bytes(policy)


def _compile(made: Path, folder: Path, runtime: Program, say: Say) -> None:
    """Compile our two classes: the one that starts the node, and the module that answers `GET /`."""
    compiler = next((made / COMPILER).glob("ecj-*.jar"))
    command = [
        runtime.path, "-jar", str(compiler), "-21", "-nowarn", "-classpath",
        os.pathsep.join(str(path) for path in sorted((made / LIBRARIES).glob("*.jar"))), "-d", str(folder / "compiled"),
        str(SOURCES / "Node.java"), str(SOURCES / "Root.java"),
    ]  # fmt: skip
    run(command, folder, say, timeout=120)
    (made / CLASSES / "lab").mkdir(parents=True)
    (made / ROOT).mkdir(parents=True)
    copyfile(SOURCES / DESCRIPTOR, made / ROOT / DESCRIPTOR)
    with zipfile.ZipFile(made / ROOT / "root.jar", "w") as jar:
        for path in sorted((folder / "compiled" / "lab").iterdir()):
            if path.name.startswith("Node"):
                path.replace(made / CLASSES / "lab" / path.name)
            else:
                jar.write(path, f"lab/{path.name}")
