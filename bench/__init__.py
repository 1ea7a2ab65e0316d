"""Measures the service against its yardsticks: a bare constant, and the endpoints that a tutorial would write."""
