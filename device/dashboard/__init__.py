"""`device dashboard`: a web page that shows one board live, and its last day; it only reads."""

from device.dashboard.command import dashboard, fleet_dashboard, open_dashboard

__all__ = [
    "dashboard",
    "fleet_dashboard",
    "open_dashboard",
]
