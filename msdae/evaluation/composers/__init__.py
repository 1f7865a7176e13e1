"""How composers are measured: likelihood, what their tunes are like, and how much of them is copied."""
