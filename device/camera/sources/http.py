"""Network cameras with addresses that begin with http://."""

from device.camera.network import network_source

SOURCE = network_source("http")
