"""``python -m bertspec`` is ``bertspec``."""

from __future__ import annotations

import sys

from bertspec.cli import main

if __name__ == "__main__":
    sys.exit(main())
