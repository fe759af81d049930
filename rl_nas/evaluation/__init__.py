"""From an architecture to a measurement, and from a measurement to a reward."""
