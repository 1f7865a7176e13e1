"""SwapBench: attribute swap with ground truth.

The same notes can be rendered with any instrument, so what a swap should sound like is known: the melody
source's notes, played by the timbre source's instrument.
"""
