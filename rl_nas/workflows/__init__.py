"""Searches, full trainings, exports and proxies, assembled from their parts by a config."""
