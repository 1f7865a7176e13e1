"""Notes to sound: SoundFonts, procedural sounds and effects."""
