"""Signals: numbers in [0,1] from interaction, high when unlike a live, responsive human; or abstention.

    unanswered   viewers prompted and nobody answered            → family NONINT
    excitation   what the host says follows viewers no more than those of minutes ago → family NONINT
    loop_lock    speech repeats at one lag                        → family PLAY
    challenge    a challenge was failed or not answered           → family CHALLENGE
    unbroken     no absence for hours                             → a stratum, never evidence
    latency      answers come as by the clock, however many ask   → a stratum, never evidence
    cadence      pauses are too even, and none is long            → a stratum, never evidence
    concurrency  an identity is live elsewhere, unpermitted        → a stratum, never evidence
    shared_script  another live room says the same                → a stratum, never evidence
    fake_viewers  bots that ask                                   → discounts prompts for unanswered, excitation
    looks        detectors' scores above the human 95 % rank      → families AI, UNLABELLED

Overload, quiet, breaks, sign language and tiredness are not evidence. Missing data is abstention, never suspicion.
"""
