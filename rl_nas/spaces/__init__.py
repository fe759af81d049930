"""Search spaces and genotypes: pure Python and NumPy."""
