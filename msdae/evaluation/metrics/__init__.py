"""Measures of what comes out: melody, timbre, spectral distance, distances of sets."""
