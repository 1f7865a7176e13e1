"""The web page, on which visitors upload sounds and melodies and hear and see the swaps.

One worker thread renders. Requests only read, write files of their own visit, and put jobs into its queue.
"""
