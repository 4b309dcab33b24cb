"""Simulated rooms, measurements of the detection on them, recordings of real rooms, and the parts of the demo."""
