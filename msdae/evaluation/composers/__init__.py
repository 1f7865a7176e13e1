"""How composers are measured: likelihood, statistics of their tunes, and how much of them is copied."""
