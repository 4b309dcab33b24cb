"""The identity agent's pure half: which rooms share an identity, and what is known of a host. No I/O."""
