"""Where rooms are kept: in memory, with a changelog that is written before offsets are committed.

`codec` is the changelog's records, `store` one partition's rooms, `stores` all of the worker's, `outbox` what must be
acknowledged before a commit, `outputs` what a former owner of a partition had already sent.
"""
