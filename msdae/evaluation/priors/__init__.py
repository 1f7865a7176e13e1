"""What music that priors draw is like: near held-out recordings, as asked for, and no worse in its middle."""
