"""Settings of a topic that are changed while a test runs."""

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.support.kafka import KafkaCluster, wait_until


def alter(kafka: KafkaCluster, topic: str, name: str, value: str) -> None:
    """Gives one setting of a topic another value, and waits until the broker says so."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    kafka.admin.incremental_alter_configs([resource])[resource].result(10)

    def told() -> bool:
        asked = ConfigResource(ResourceType.TOPIC, topic)
        return bool(kafka.admin.describe_configs([asked])[asked].result(10)[name].value == value)

    wait_until(told, timeout_s=30, what=f"{name}={value} of {topic}")
