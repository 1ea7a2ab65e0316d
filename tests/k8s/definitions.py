"""Definitions of kinds that Traefik watches, for a cluster that lacks them: every content is allowed.

People install Traefik's own and those of the Gateway API, which also check what is written. The lab uses one of these
kinds, but Traefik takes no route before it has found all of them.
"""

from typing import Any

MADE = {"lab-tests": "made"}
"""The label of the definitions made here."""
TRAEFIK = (
    "IngressRoute",
    "IngressRouteTCP",
    "IngressRouteUDP",
    "Middleware",
    "MiddlewareTCP",
    "ServersTransport",
    "ServersTransportTCP",
    "TLSOption",
    "TLSStore",
    "TraefikService",
)
# In the Gateway API's standard channel since 1.5.
GATEWAY = ("TLSRoute",)


def definition(group: str, version: str, kind: str) -> dict[str, Any]:
    """Return the definition of a kind of objects in namespaces."""
    plural = f"{kind.lower()}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    # The API server lets names of its own groups be defined only with this mark.
    approval = {"api-approved.kubernetes.io": "unapproved, for tests"} if group.endswith(".k8s.io") else {}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": approval, "labels": MADE},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [served],
        },
    }


def missing(there: set[str]) -> list[dict[str, Any]]:
    """Return the definitions that a cluster with these (by name) lacks."""
    wanted = [
        *(definition("traefik.io", "v1alpha1", kind) for kind in TRAEFIK),
        *(definition("gateway.networking.k8s.io", "v1", kind) for kind in GATEWAY),
    ]
    return [one for one in wanted if one["metadata"]["name"] not in there]
