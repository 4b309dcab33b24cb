"""Measures the detection on labelled rooms: how soon guilty rooms are seen, how often honest ones are accused.

Rooms come from the simulator, or from labelled room logs; they pass through the engine's own processor.
"""
