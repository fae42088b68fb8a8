"""Networks of finished runs used outside of the workflow: maps of image files, folders that stand alone."""
