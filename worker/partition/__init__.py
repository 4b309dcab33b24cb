"""One partition's records in, records to send out: judged rooms, and matched identities. No I/O."""
