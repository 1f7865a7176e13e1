"""The web page: sounds and melodies in, swaps out, by ear and eye.

One worker thread renders; requests only read, write files of their own visit and put jobs into its queue.
"""
