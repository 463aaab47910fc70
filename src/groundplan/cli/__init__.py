"""The command line: the same nouns and verbs as the Python functions.

Exit codes: 0 done; 1 the answer is no (infeasible, target missed, verification failed); 2 the call
is wrong; 3 the data is wrong; 4 stopped early, and what was written is a valid plan.
"""

from __future__ import annotations

from groundplan.cli.main import main

__all__ = ["main"]
