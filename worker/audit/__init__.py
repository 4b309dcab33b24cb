"""The pure core: one room's events in log order, and event time passing → facts, levels, evidence.

No clock, no I/O, no randomness, no logging. Everything is a function of the room's log.
"""
