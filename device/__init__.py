"""The program for the Raspberry Pi: camera frames in, expression events over MQTT out."""
