"""The processes of one launch (`accelerate launch`), of which one says what went wrong."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import OdzeraError

# A launcher ends its other processes within a second of the first that fails.
END_SECONDS = 5.0


@contextmanager
def one_voice() -> Iterator[None]:
    """Let one process of a launch say what went wrong, and the launcher end the others.

    What a person can act on, the main process says at once. Any other error may be the echo of a process that is gone,
    so it is held back for as long as the launcher takes; only a process that is still there then says it.

    Raises:
        OdzeraError: What went wrong, as one line.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    try:
        yield
    except KeyboardInterrupt:
        # Ctrl-C reaches all of them.
        if rank:
            raise SystemExit(130) from None
        raise
    except Exception as error:
        if size == 1 or (rank == 0 and isinstance(error, OdzeraError | OSError)):
            raise
        time.sleep(END_SECONDS)
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise OdzeraError(f"Process {rank + 1} of {size}: {line}") from error
