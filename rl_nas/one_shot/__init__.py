"""One-shot search: weights that all networks of a space share (Pham et al. 2018)."""
