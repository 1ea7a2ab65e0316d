"""The Kafka components of the catalogue, as data."""

from labkit.stack.entry import ConfigFile, Entry, Once

# Small and explicit: what machine code, buffers and threads outside the heap may take.
BESIDE_HEAP = (
    "-Xms32m", "-Xss256k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=40m",
    "-XX:MaxDirectMemorySize=32m", "-Djdk.nio.maxCachedBufferSize=65536",
)  # fmt: skip
LOG = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaServer=info",
)  # fmt: skip
JAVA = ("{path[java]}", *BESIDE_HEAP, *LOG, "-cp", "{program}/*")
HEAP, HEAP_OF_THREE, ZOOKEEPER_HEAP = "-Xmx128m", "-Xmx96m", "-Xmx64m"
ENVIRONMENT = {"MALLOC_ARENA_MAX": "1"}
ZOOKEEPER = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
# Brokers of one cluster must agree on its name; clusters of other folders listen on other ports.
CLUSTER_ID = "b2JzZXJ2YWJpbGl0eS1sYQ"
CLUSTER_PORTS = {1: 92, 2: 94, 3: 96}


def single() -> Entry:
    """Return the entry of a broker that is its own controller."""
    replace = {**_addresses("kafka"), "voters=1@127.0.0.1:9093": "voters=1@{host}:{port[kafka-controller]}"}
    file = ConfigFile("kafka-config/server.properties", "kafka-config/kafka.properties", replace)
    return _broker("kafka", 92, HEAP, file)


def cluster() -> tuple[Entry, ...]:
    """Return the entries of three brokers that are three controllers."""
    voters = ",".join(f"{n}@{{host}}:{{port[kafka-{n}-controller]}}" for n in CLUSTER_PORTS)
    written = "voters=1@127.0.0.1:9093,2@127.0.0.1:9095,3@127.0.0.1:9097"
    entries = []
    for number, port in CLUSTER_PORTS.items():
        name = f"kafka-{number}"
        replace = {**_addresses(name), written: f"voters={voters}", "node.id=1": f"node.id={number}"}
        file = ConfigFile("kafka-config/cluster.properties", f"kafka-config/{name}.properties", replace)
        entries.append(_broker(name, port, HEAP_OF_THREE, file))
    return tuple(entries)


def legacy() -> tuple[Entry, ...]:
    """Return the entries of ZooKeeper and of a broker that needs it."""
    zookeeper = Entry(
        name="zookeeper",
        program="kafka-legacy",
        also=("java",),
        command=(*JAVA, ZOOKEEPER_HEAP, ZOOKEEPER, "{run}/kafka-config/zookeeper.properties"),
        ports={"zookeeper": 89},
        probes=("tcp://{host}:{port[zookeeper]}",),
        environment=ENVIRONMENT,
        files=(
            ConfigFile(
                "kafka-config/zookeeper.properties",
                "kafka-config/zookeeper.properties",
                {"clientPort=2181": "clientPort={port[zookeeper]}", "/var/lib/zookeeper": "{data}"},
            ),
        ),
    )
    broker = Entry(
        name="kafka",
        program="kafka-legacy",
        also=("java",),
        command=(*JAVA, HEAP, "kafka.Kafka", "{run}/kafka-config/kafka.properties"),
        ports={"kafka": 92},
        probes=("kafka://{host}:{port[kafka]}",),
        needs=("zookeeper",),
        ready_within=60.0,
        environment=ENVIRONMENT,
        files=(
            ConfigFile(
                "kafka-config/legacy.properties",
                "kafka-config/kafka.properties",
                {
                    "zookeeper.connect=127.0.0.1:2181": "zookeeper.connect={host}:{port[zookeeper]}",
                    "PLAINTEXT://127.0.0.1:9092": "PLAINTEXT://{host}:{port[kafka]}",
                    "/var/lib/kafka": "{data}/legacy",
                },
            ),
        ),
    )
    return (zookeeper, broker)


def _addresses(name: str) -> dict[str, str]:
    """Return what is replaced in the files of KRaft brokers: addresses and folder."""
    clients, controller = f"{{host}}:{{port[{name}]}}", f"{{host}}:{{port[{name}-controller]}}"
    return {
        "PLAINTEXT://127.0.0.1:9092": f"PLAINTEXT://{clients}",
        "CONTROLLER://127.0.0.1:9093": f"CONTROLLER://{controller}",
        "/var/lib/kafka": "{data}/kraft",
    }


def _broker(name: str, port: int, heap: str, file: ConfigFile) -> Entry:
    properties = f"{{run}}/{file.target}"
    tool = ("kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", properties)
    return Entry(
        name=name,
        program="kafka",
        also=("java",),
        command=(*JAVA, heap, "kafka.Kafka", properties),
        ports={name: port, f"{name}-controller": port + 1},
        probes=(f"kafka://{{host}}:{{port[{name}]}}",),
        environment=ENVIRONMENT,
        files=(file,),
        ready_within=60.0,
        once=Once("{data}/kraft/meta.properties", (*JAVA, HEAP, *tool)),
    )
