"""A process that takes a step, for tests that race or kill it: `python -m tests.desk_worker MODE URL MODELS CASE BANK`.

It says `ready`, waits for a line, then acts. `race` accepts and says whether it won. `middle` declines and stops for
good before the transaction ends, `after` once it has ended; both say when.
"""

import sys
import time
from pathlib import Path

from api.desk import cases
from api.desk.stages import Step
from api.refusals import ConflictError
from tests.desks import desk, officer

KEY = "form-1"


def say(word: str) -> None:
    print(word, flush=True)


def stop(word: str) -> None:
    say(word)
    time.sleep(600)


def main(mode: str, url: str, models: str, case_id: str, institution_id: str) -> None:
    service, actor = desk(url, Path(models)), officer(institution_id)
    if mode == "middle":
        cases.hand_on = lambda *_: stop("in the middle")
    say("ready")
    sys.stdin.readline()
    if mode == "race":
        try:
            cases.decide(service, actor, case_id, Step.ACCEPT, 1)
        except ConflictError:
            say("lost")
        else:
            say("won")
        return
    cases.decide(service, actor, case_id, Step.DECLINE, 1, reasons=["tax"], key=KEY)
    stop("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
