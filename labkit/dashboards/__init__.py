"""`lab dashboards`: the dashboards of grafana/dashboards as live pages, for where no Grafana runs."""
