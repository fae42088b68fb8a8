"""Write into README.md and docs/ what code and published results say: `python docs/make`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))  # pages are made from the code beside them
    import pages

    from pipeline_src.errors import UserError

    try:
        pages.write()
    except UserError as error:
        sys.exit(f"error: {error}")
