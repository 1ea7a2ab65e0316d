"""What Prometheus has counted so far. Nothing to fill in here; each line below is a query that you can change."""

import httpx

PROMETHEUS = "http://127.0.0.1:18090/api/v1/query"
QUERIES = (
    'sum by (status) (http_requests_total{route="/predict"})',
    'sum by (outcome) (predictions_total{model="iris"})',
    'sum by (label) (prediction_labels_total{model="iris"})',
)

for query in QUERIES:
    answer = httpx.get(PROMETHEUS, params={"query": query}, trust_env=False).raise_for_status().json()
    print(query)
    for series in answer["data"]["result"]:
        (label,) = series["metric"].values()
        print(f"  {label:<12} {series['value'][1]:>6}")
