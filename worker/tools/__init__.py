"""What commands share: room logs as files and in Kafka, replay, look-ups, dead letters, policy files."""
