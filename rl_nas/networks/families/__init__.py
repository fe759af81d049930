"""One record for each kind of genotype, with everything specific to it."""
