"""stream-audit: a room's log in, explained violations out.

Data walks through the packages from top to bottom, once: transport → ingress → audit → policy → egress.
`ARCHITECTURE.md` is the map.
"""

__version__ = "0.1.0"
