"""The course: numbered labs out of one manifest, a student's work folder, checks of that work on what runs."""
