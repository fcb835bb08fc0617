"""Network cameras with addresses that begin with rtsp://."""

from device.camera.network import network_source

SOURCE = network_source("rtsp")
