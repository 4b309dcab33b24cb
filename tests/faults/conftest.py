from tests.kafka.conftest import kafka, pytest_collection_modifyitems

__all__ = ["kafka", "pytest_collection_modifyitems"]
