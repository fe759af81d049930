"""`rl_nas search`, followed by `rl_nas.fit`.

    python -m rl_nas.commands.followed_search DESCRIPTOR FLAGS...

The descriptor is that of a socket, at whose other end `rl_nas.workflows.followed` answers.
"""

import sys
from contextlib import closing

from rl_nas.commands.search import main
from rl_nas.workflows.followed import Follower

if __name__ == "__main__":
    with closing(Follower(int(sys.argv[1]))) as follower:
        sys.exit(main(sys.argv[2:], follower))
