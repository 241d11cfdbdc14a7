"""Every write to the disk is recorded, and played back up to some moment, without what was not flushed by then."""

from dataclasses import dataclass
from random import Random

from calls import Call, Volume, next_call
from place import Outside, Refused, recorded
from pool import SIZE, Pool, Wrong, told
from writelog import BLOCK, WriteLog

MARK = SIZE - BLOCK  # where on the disk the guest writes how far it is


@dataclass(frozen=True)
class Moment:
    """Between two requests to the disk: what was written before `kept` is there; what came after may be lost, up to `cut`."""

    kept: int
    cut: int


class Replays:
    """`name`, and `work`: what is done while it is recorded, and the mark from which on it is played back."""

    def __init__(self, count):
        self.count = count

    def run(self, machine, backend, ullage, seed, scratch):
        for fs in backend.pools:
            try:
                self.on_pool(machine, Pool.make(scratch / f"{fs}.disk", fs, backend), ullage, seed, scratch)
            except (Wrong, Refused) as error:
                raise Wrong(f"on {fs}: {error}") from None

    def on_pool(self, machine, pool, ullage, seed, scratch):
        random = Random(f"{seed} {self.name} {pool.fs}")
        base = pool.copy(scratch / "replayed.disk")
        recording = Recording(machine, pool, scratch / "writes.log")
        try:
            recording.begin()
            first = self.work(recording, random)
        finally:
            log, states = recording.end()
        begin = log.marks(MARK)[first]
        moments = some_moments(log, begin, self.count // len(pool.backend.pools), random)
        played, outcomes = 0, {"done": 0, "undone": 0}
        with open(base, "r+b") as disk:
            for moment in moments:
                log.replay(disk, played, moment.kept)
                disk.flush()
                played = moment.kept
                copy = Pool(base, pool.fs, pool.backend).copy(scratch / "moment.disk")
                with open(copy, "r+b") as lossy:
                    log.lose(lossy, moment.kept, moment.cut, random)
                state, in_flight = states_at(log, states, moment.cut)
                found = Pool(copy, pool.fs, pool.backend, state, in_flight)
                try:
                    done = self.check(machine, found, ullage)
                except (Wrong, Refused) as error:
                    where = f"flushed up to request {moment.kept} of {len(log.entries)}, cut at {moment.cut}"
                    raise Wrong(f"{where}, answered: {told(state)}, in flight: {in_flight}\n    {error}") from None
                if in_flight:
                    outcomes["done" if done else "undone"] += 1
        flushes = len([at for at in log.flushes() if at >= begin])
        print(f"    {pool.fs}: {len(moments)} moments among {len(log.entries) - begin} requests and {flushes} flushes;"
              f" a call in flight was done {outcomes['done']} times and undone {outcomes['undone']} times")

    def check(self, machine, pool, ullage):
        """Serves what is left of it, here where the kernel can, else in the guest. Whether the call in flight was done."""
        before, call = pool.state, pool.in_flight
        place = Outside(ullage)
        try:
            pool.serve(place)
            pool.verify(place)
            pool.leave(place)
            pool.examine(place)
        finally:
            place.kill()
        return call is not None and pool.found_done


class Recording:
    """The guest at work on a pool, with a mark before and behind each call."""

    def __init__(self, machine, pool, log):
        self.pool, self.log = pool, log
        log.unlink(missing_ok=True)
        self.calls = []
        self.guest = machine.start(recorded(pool.disk, log))

    def begin(self):
        self.guest.do(f"MARK={MARK // BLOCK}")
        self.pool.serve(self.guest)

    def call(self, call):
        """Makes it, and returns the number of the mark before it."""
        number = 2 * len(self.calls)
        self.pool.call(self.guest, call, f"mark {number}; {{}}; mark {number + 1}")
        self.calls.append((call, dict(self.pool.state)))
        return number

    def end(self):
        self.guest.tell("quit")
        self.guest.process.wait()
        return WriteLog(self.log), self.calls


def states_at(log, calls, cut):
    """What was answered before a moment, and the call that had begun and was not."""
    marks, state = log.marks(MARK), {}
    for number, (call, after) in enumerate(calls):
        if marks.get(2 * number, cut) >= cut:
            return state, None
        if marks.get(2 * number + 1, cut) >= cut:
            return state, call
        state = after
    return state, None


def some_moments(log, begin, count, random):
    """Half of them right at a flush, the first and the last among these; half anywhere, to lose something."""
    flushes = [at for at in log.flushes() if at >= begin]
    half = min(len(flushes), count // 2)
    spread = [flushes[round(number * (len(flushes) - 1) / max(1, half - 1))] for number in range(half)]
    exact = [Moment(at, at) for at in spread]
    lossy = []
    for cut in (random.randrange(begin, len(log.entries) + 1) for _ in range(count - half)):
        lossy.append(Moment(max([at for at in log.flushes() if at < cut], default=0), cut))
    return sorted(exact + lossy, key=lambda moment: (moment.kept, moment.cut))


class Calls(Replays):
    """Calls as the other tests make them."""

    name = "what_was_not_flushed_is_lost_and_every_answer_is_still_true"

    def work(self, recording, random):
        for number in range(12):
            recording.call(next_call(random, recording.pool.state, recording.pool.backend, number))
        return 0


class Shrink(Replays):
    """An ext4 with files all over it becomes smaller."""

    name = "a_shrink_that_loses_what_was_not_flushed_keeps_every_file"

    def work(self, recording, random):
        recording.call(Call("create", "cask", "ext4", 160))
        recording.call(Call("fill", "cask"))
        return recording.call(Call("resize", "cask", "ext4", 80))
