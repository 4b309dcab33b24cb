"""Signals: numbers in [0,1] from interaction, high when unlike a live, responsive human; or abstention.

    replies      viewers prompted and nobody answered            → family NONINT
    excitation   what the host says follows viewers no more than those of minutes ago → family NONINT
    loop         speech repeats at one lag                        → family PLAY
    challenge    a challenge was failed or not answered           → family CHALLENGE
    unbroken     no absence for hours                             → a stratum, never evidence
    latency      answers come as by the clock, however many ask   → a stratum, never evidence
    cadence      pauses are too even, and none is long            → a stratum, never evidence
    concurrency  an identity is live elsewhere, unpermitted        → a stratum, never evidence
    scripts      another live room says the same                 → a stratum, never evidence
    bots         viewers that a program makes ask                → discounts prompts for replies, excitation
    detectors    detectors' scores above the human 95 % rank      → families AI, UNLABELLED

Overload, quiet, breaks, sign language and tiredness are not evidence. Missing data is abstention, never suspicion.
"""
