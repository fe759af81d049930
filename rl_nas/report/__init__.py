"""Pictures, tables and progress displays."""
