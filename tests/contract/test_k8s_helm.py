"""The Helm chart: its files alone, and what `helm template` makes of them where there is a helm."""

import json
import re
from typing import Any

import jsonschema
import pytest
import yaml

from app.config import known_variables
from tests.contract.test_k8s_overlays import misfits
from tests.k8s_manifests import CHART, Manifest, of_kind, program, templated
from tests.k8s_policy import POD_RULES

HELM = program("helm")
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
WITH_SECRET = ("--set", "secret.name=lab,secret.settings.redis_url=redis-url")
needs_helm = pytest.mark.skipif(HELM is None, reason="no helm on PATH; only the chart's files are checked")


def misfit(**changes: Any) -> str:
    """Return what the schema says of the values with these top-level changes."""
    try:
        jsonschema.validate({**VALUES, **changes}, SCHEMA)
    except jsonschema.ValidationError as error:
        return str(error.message)
    return ""


def test_the_schema_takes_the_default_values_and_no_others() -> None:
    assert misfit() == ""
    assert misfit(replcias=2) != ""
    assert misfit(image={**VALUES["image"], "tag": "latest"}) != ""
    assert misfit(resources={"requests": VALUES["resources"]["requests"]}) != ""
    assert misfit(settings={"redis_url": "redis://:word@redis:6379"}) != "", "a URL with a password is no setting"


def test_settings_of_the_chart_are_settings_of_the_service() -> None:
    known = {name.removeprefix("LAB_").lower() for name in known_variables()}
    assert set(VALUES["settings"]) <= known
    commented = re.findall(r"^  #  (\w+): ", (CHART / "values.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    assert commented


def test_templates_name_only_values_that_exist() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (CHART / "templates").iterdir()]
    for path in {found for text in texts for found in re.findall(r"\.Values\.([\w.]+)", text)}:
        at: Any = VALUES
        for key in path.split("."):
            assert key in at, path
            at = at[key]


def broken(manifests: list[Manifest]) -> list[str]:
    return [said for rule in POD_RULES for said in rule(manifests)]


@needs_helm
@pytest.mark.parametrize(
    "options", [(), WITH_SECRET, ("--set", "autoscaling.enabled=false")], ids=["default", "secret", "fixed"]
)
def test_the_chart_fits_the_schemas_and_keeps_the_rules(options: tuple[str, ...]) -> None:
    assert HELM is not None
    manifests = templated(HELM, *options)
    assert [wrong for one in manifests for wrong in misfits(one)] == []
    allowed = ["Deployment/lab-api mounts Secret/lab, which does not exist"] if options == WITH_SECRET else []
    assert broken(manifests) == allowed
    fixed = "replicas" in next(of_kind(manifests, "Deployment"))["spec"]
    assert fixed != any(of_kind(manifests, "HorizontalPodAutoscaler"))


@needs_helm
def test_helm_refuses_values_that_do_not_fit() -> None:
    assert HELM is not None
    with pytest.raises(AssertionError, match="redis_url"):
        templated(HELM, "--set", "settings.redis_url=redis://redis")


@needs_helm
def test_a_chart_with_a_wrong_value_breaks_a_rule() -> None:
    """The control: the rules see what the chart makes, not what its files say."""
    assert HELM is not None
    manifests = templated(HELM, "--set", "image.repository=redis,image.tag=1.0-not-listed")
    assert broken(manifests) == [
        "Deployment/lab-api: container api has redis:1.0-not-listed, which requirements/images.txt does not list"
    ]
