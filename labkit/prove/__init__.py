"""The proof of panels and alerts: each is asked of a live Prometheus while a known load goes up and down."""
