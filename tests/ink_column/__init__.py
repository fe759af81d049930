"""A task that the package does not have: at which column of an image its ink lies, one number for each image."""
