"""Networks of finished runs outside of the workflow: maps of image files, and self-contained folders."""
