"""A second, slow judge of rooms, written from CONTRACT.md alone. It shares no code with the worker."""
