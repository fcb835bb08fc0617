"""The workstation's part: trains, distils, converts and evaluates the network the device runs."""
