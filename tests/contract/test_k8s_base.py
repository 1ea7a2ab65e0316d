"""k8s/base says with other words what the files of every engine say: edge, monitoring, dashboards."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from labkit.engines.secrets import PASSWORDS, following

ROOT = Path(__file__).parents[2]
BASE = ROOT / "k8s" / "base"
# Named differences of the edge on Kubernetes: who tells it of replicas, and what it does before it ends.
OTHER = ("providers.", "entrypoints.web.transport.lifecycle.")


def read(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


def flat(value: Any, path: str = "") -> dict[str, str]:
    """Return what Traefik's file says as its options say it, by lower-case name."""
    if isinstance(value, dict):
        parts = [flat(inner, f"{path}.{key}" if path else key) for key, inner in value.items()]
        return {name: text for part in parts for name, text in part.items()}
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return {path.lower(): text.lower() if isinstance(value, bool) else text}


def options() -> dict[str, str]:
    (deployment,) = (one for one in read(BASE / "edge" / "traefik.yaml") if one["kind"] == "Deployment")
    given = [
        one.removeprefix("--").partition("=") for one in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    ]
    return {name.lower(): value for name, _, value in given}


def but_others(found: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in found.items() if not name.startswith(OTHER)}


def test_the_edge_has_the_options_of_its_file() -> None:
    (file,) = read(ROOT / "traefik" / "traefik.yml")
    assert but_others(options()) == but_others(flat(file))


def test_an_option_that_differs_is_seen() -> None:
    (file,) = read(ROOT / "traefik" / "traefik.yml")
    file["entryPoints"]["web"]["http"]["maxHeaderBytes"] += 1
    assert but_others(options()) != but_others(flat(file))


def dynamic() -> dict[str, Any]:
    """Return traefik/dynamic.yml without the lines that are its template's."""
    lines = (ROOT / "traefik" / "dynamic.yml").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if "{{" not in line]
    found: dict[str, Any] = yaml.safe_load("\n".join(kept))["http"]
    return found


@pytest.mark.parametrize("name", ["pure", "stored"])
def test_a_route_goes_through_what_it_goes_through_everywhere(name: str) -> None:
    chains = {
        one["metadata"]["name"]: one["spec"]["chain"]["middlewares"] for one in read(BASE / "edge" / "middlewares.yaml")
    }
    everywhere = [f"{one}@file" for one in dynamic()["routers"][name]["middlewares"]]
    assert [one["name"] for one in chains[name]] == everywhere
    assert set(dynamic()["routers"][name]["middlewares"]) <= set(dynamic()["middlewares"])
    ingresses = {
        one["metadata"]["name"]: one["metadata"]["annotations"]["traefik.ingress.kubernetes.io/router.middlewares"]
        for one in read(ROOT / "k8s" / "overlays" / "ingress" / "ingress.yaml")
        if one["kind"] == "Ingress"
    }
    assert ingresses[name].split(",") == everywhere


def test_what_may_be_answered_twice_is_the_same_everywhere() -> None:
    (route,) = read(BASE / "edge" / "route.yaml")
    pure, stored = route["spec"]["rules"]
    rule = dynamic()["routers"]["pure"]["rule"]
    for match in pure["matches"]:
        assert f"Method(`{match['method']}`)" in rule
        if "path" in match:
            assert f"`{match['path']['value']}`" in rule
    assert rule.count("`") == 2 * (
        len({one["method"] for one in pure["matches"]}) + sum("path" in one for one in pure["matches"])
    )
    assert stored["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert [one["filters"][0]["extensionRef"]["name"] for one in (pure, stored)] == ["pure", "stored"]


def test_prometheus_scrapes_the_same_jobs_as_often() -> None:
    ordinary, kubernetes = (
        read(ROOT / "monitoring" / "prometheus" / name)[0] for name in ("prometheus.yml", "prometheus.kubernetes.yml")
    )
    timing = ("job_name", "scrape_interval", "scrape_timeout")
    jobs = [[{key: job.get(key) for key in timing} for job in one["scrape_configs"]] for one in (ordinary, kubernetes)]
    assert [job for job in jobs[0] if job["job_name"] != "work"] == jobs[1], "all but what a student runs beside it"
    assert ordinary["global"] == kubernetes["global"]
    assert ordinary["rule_files"] == kubernetes["rule_files"]
    for job in kubernetes["scrape_configs"]:
        assert "replica" in {one.get("target_label") for one in job["relabel_configs"]}, job["job_name"]


@pytest.mark.parametrize(
    ("folder", "files"),
    [("monitoring/prometheus", "rules/*.yml"), ("grafana", "dashboards/*.json"), ("grafana", "provisioning/*/*.yml")],
)
def test_every_file_is_in_a_config_map(folder: str, files: str) -> None:
    (kustomization,) = read(ROOT / folder / "kustomization.yaml")
    listed = {name.rpartition("=")[2] for one in kustomization["configMapGenerator"] for name in one["files"]}
    there = {path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).glob(files)}
    assert there
    assert there <= listed


def test_a_config_map_can_be_applied() -> None:
    """`kubectl apply` keeps what it applied in an annotation of 256 KB, as JSON in JSON."""
    (kustomization,) = read(ROOT / "grafana" / "kustomization.yaml")
    for one in kustomization["configMapGenerator"]:
        texts = [(ROOT / "grafana" / name.rpartition("=")[2]).read_text(encoding="utf-8") for name in one["files"]]
        assert sum(len(text) + text.count('"') + text.count("\n") for text in texts) < 230_000, one["name"]


def test_the_local_overlay_takes_the_secrets_that_lab_init_makes() -> None:
    (kustomization,) = read(ROOT / "k8s" / "overlays" / "local" / "kustomization.yaml")
    wanted = {name.removeprefix("secrets/") for one in kustomization["secretGenerator"] for name in one["files"]}
    made = {*PASSWORDS, *following(dict.fromkeys(PASSWORDS, "word")), "api-keys.json"}
    assert wanted <= made
    assert "k8s/overlays/*/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()
