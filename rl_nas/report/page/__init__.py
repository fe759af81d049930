"""The page of a search, or of several: its facts, its charts, its HTML."""
