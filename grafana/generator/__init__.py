"""Dashboards as data: `python -m grafana.generator` writes grafana/dashboards/*.json."""
