"""Network cameras with addresses that begin with https://."""

from device.camera.network import network_source

SOURCE = network_source("https")
