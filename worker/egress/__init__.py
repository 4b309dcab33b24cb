"""Where it leaves: decisions and rooms as records, deterministic to the byte. Nothing here sends."""
