"""Health of all boards on a broker, from their availability, status and health messages."""

from device.fleet.command import fleet
from device.fleet.inventory import read_inventory

__all__ = [
    "fleet",
    "read_inventory",
]
