"""Opening and executing the notebooks of the project, in the right environment."""
