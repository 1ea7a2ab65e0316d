"""Pictures of the documents, made by `make pictures`: drawings out of data, screenshots of what runs."""
