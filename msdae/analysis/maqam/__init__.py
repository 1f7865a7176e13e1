"""Maqam of a recording: tonic, scale, ornaments; and how well they are found."""
