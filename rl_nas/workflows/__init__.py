"""Searches, full trainings, exports and proxies, put together from their parts by a config."""
