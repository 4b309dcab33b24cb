"""What `stream-audit demo` plays: simulated rooms before the real worker, over a broker in this process.

Rooms are simulated, everything behind them is the product: a broker that speaks Kafka's protocol (librdkafka's
in-process mock, kept in memory alone), `python -m worker run` as a separate process, and consumers of its topics.

- `cast`: who plays, and the table of rooms
- `feeder`: plays the rooms into the room log
- `watcher`: reads what the worker publishes
- `process`, `leash`: the worker as a process that ends with the demo
- `play`: all of it together
- `summary`: what happened, beside what is true of the rooms
"""
