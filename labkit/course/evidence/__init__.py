"""Parts of which the labs' checks are made: what a student's files and processes really do."""
