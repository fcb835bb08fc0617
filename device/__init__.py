"""What runs on the Raspberry Pi: camera frames in, emotion events over MQTT out."""
