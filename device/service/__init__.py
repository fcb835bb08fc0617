"""The running service: main loop, sessions, commands, config reload, signals, systemd, Prometheus."""
