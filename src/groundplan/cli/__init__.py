"""The command line: the same nouns and verbs as the Python functions.

Exit codes: 0 done; 1 the answer is no (infeasible, target missed, verification failed); 2 the call
is wrong; 3 the data is wrong; 4 stopped early by Ctrl-C, and where a plan was written, it is valid;
5 the machine said no (disk full, no permission, out of memory); 70 a fault of groundplan itself;
130 ended at once by a second Ctrl-C.
"""

from __future__ import annotations

from groundplan.cli.main import main

__all__ = ["main"]
