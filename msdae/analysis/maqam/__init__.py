"""The maqam of a recording: tonic, scale and ornaments; and how accurately they are found."""
