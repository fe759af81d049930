"""Pictures, tables and progress."""
