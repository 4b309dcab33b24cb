"""Markers: evidence that AI produced or presents something. Each becomes a fact at once, in log order.

watermark      a generator's watermark was read
provenance     C2PA, IPTC, GB 45438 metadata; tampering
label          the AI label on screen, and its gaps
registration   what the platform's registry says of the host
frame          what the picture shows: presence, ratios, idleness
software       selling or teaching virtual-host software
likeness       resemblance to a known person
persona        personas that platforms name as abuse
media          synthetic or misleading product media
fleet          one identity in several live rooms
restriction    whether the platform can bear a restriction
presenter      all of it together: is the presenter AI, and how sure is that

Costs are CPU time of the marker's own function, warm, the least of several runs (`python -m tests.bench.markers`).
"""
