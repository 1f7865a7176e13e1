"""Turns notes into sound: SoundFonts, recorded samples, formulas, other packages' synthesizers, effects."""
