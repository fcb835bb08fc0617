"""Network cameras with addresses that begin with rtsps://."""

from device.camera.network import network_source

SOURCE = network_source("rtsps")
