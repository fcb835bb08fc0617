"""`python -m device` is the `device` command."""

import sys

from device.cli import main

sys.exit(main())
