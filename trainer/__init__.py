"""What runs on the workstation: teaches, distils, converts and scores the network the device runs."""
