"""Measures of what comes out: melody, spectral distance."""
