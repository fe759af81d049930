"""Early stopping of children, and successive halving."""
