"""Detection: boxes of objects in images."""
