"""Measures of priors' music: how near held-out recordings, how near what is asked for, how steady in time."""
