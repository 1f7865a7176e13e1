"""Written music: notes, MIDI and MusicXML files, instruments, corpora of pieces, arrangements, captions."""
