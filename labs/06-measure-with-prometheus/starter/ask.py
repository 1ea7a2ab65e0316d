"""Ask Prometheus the questions in queries.toml, or the one given: python ask.py ['PROMQL']. Given."""

import sys
import tomllib
from pathlib import Path

import httpx

PROMETHEUS = "http://127.0.0.1:18090"


def ask(query: str) -> None:
    """Print a line for each series of the answer."""
    body = httpx.get(f"{PROMETHEUS}/api/v1/query", params={"query": query}, trust_env=False).json()
    if body["status"] != "success":
        print(f"    refused: {body['error']}")
    elif body["data"]["resultType"] != "vector":
        print(f"    a {body['data']['resultType']}, not one value for each series: {str(body['data']['result'])[:200]}")
    elif not body["data"]["result"]:
        print("    no series")
    else:
        for series in body["data"]["result"]:
            labels = ", ".join(f'{name}="{value}"' for name, value in series["metric"].items())
            print(f"    {float(series['value'][1]):10.4g}  {{{labels}}}")


if len(sys.argv) > 1:
    ask(sys.argv[1])
else:
    for name, query in tomllib.loads(Path(__file__).with_name("queries.toml").read_text(encoding="utf-8")).items():
        print(name)
        ask(query)
