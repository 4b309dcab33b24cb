"""What the platforms' rules make of a room: policies as data, compiled, judged, explained.

Pure: file texts, rooms and event time go in; decisions come out as values. No clock, I/O, randomness or logging.

    load     YAML texts → PolicyBook, every problem at once          compile   CEL, the only file that knows it
    inputs   what an expression may read                             reasons   certainty, counterfactual, evidence
    actions  what may be recommended, and how sure one must be       episodes  the life of a rule in a room
    judge    rooms → decisions                                       cases     the tests inside a policy file
    caps     caps and pauses: what is parked                         feed      published policies on top of files
    wire     a file as the document that is published                diff      what differs, in words
    across   what is wrong between policies                          shares    for what part of the time a fact held
    exemptions  whom rules leave alone until when
"""
