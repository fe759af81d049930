"""One record for each kind of genotype: everything that is specific to it."""
