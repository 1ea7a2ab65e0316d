"""What the notebooks and the checks of the labs compute: pure functions on NumPy, SciPy and pandas."""
