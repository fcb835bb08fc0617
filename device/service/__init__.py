"""The running service: sessions, commands, config reload, signals, systemd, Prometheus."""
