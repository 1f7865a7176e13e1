"""Notes and MIDI files, instruments, the corpus of pieces and its arrangement."""
