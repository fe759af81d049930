"""Search spaces and genotypes, in pure Python and NumPy."""
