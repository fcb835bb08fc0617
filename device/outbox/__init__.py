"""The durable queue of events that the broker has not acknowledged yet."""

from device.outbox.outbox import Outbox

__all__ = [
    "Outbox",
]
