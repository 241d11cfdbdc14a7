"""Every write to the disk is recorded, and played back up to some moment, without what was not flushed by then."""

from collections import Counter
from dataclasses import dataclass
from random import Random

from calls import Call, Volume, next_call
from place import Refused, recorded
from pool import SIZE, Pool, Wrong, told
from writelog import BLOCK, WriteLog

MARK = SIZE - BLOCK  # where on the disk the guest writes how far it is
NEAR = 40  # requests: what is left to do when a filesystem was made or changed


@dataclass(frozen=True)
class Moment:
    """Between two requests to the disk: what was written before `kept` is there; what came after may be lost, up to `cut`."""

    kept: int
    cut: int


class Replays:
    """`name`, and `work`: what is done while it is recorded. It tells the first call that is played back."""

    def __init__(self, count):
        self.count = count

    def run(self, machine, backend, ullage, seed, scratch):
        for fs in backend.pools:
            random = Random(f"{seed} {self.name} {fs}")
            try:
                pool = Pool.make(scratch / f"{fs}.disk", fs, backend)
                base = Pool(pool.copy(scratch / "replayed.disk"), fs, backend)
                log, calls, first = self.record(machine, pool, random, scratch / "writes.log")
                self.replay(machine, base, log, calls, first, random, ullage)
            except (Wrong, Refused) as error:
                raise Wrong(f"on {fs}: {error}") from None

    def record(self, machine, pool, random, log):
        log.unlink(missing_ok=True)
        recording = Recording(machine.start(recorded(pool.disk, log)), pool)
        try:
            recording.begin()
            first = self.work(recording, random)
        finally:
            recording.end()
        return WriteLog(log), recording.calls, first

    def replay(self, machine, base, log, calls, first, random, ullage):
        moments = some_moments(log, calls, first, self.count // len(base.backend.pools), random)
        played, outcomes = 0, Counter()
        for moment in moments:
            with open(base.disk, "r+b") as disk:
                log.replay(disk, played, moment.kept)
            played = moment.kept
            disk = base.copy(base.disk.with_name("moment.disk"))
            with open(disk, "r+b") as lossy:
                log.lose(lossy, moment.kept, moment.cut, random)
            state, call = states_at(log, calls, moment.cut)
            pool = Pool(disk, base.fs, base.backend, state, call)
            try:
                self.check(machine, pool, ullage)
            except (Wrong, Refused) as error:
                where = f"{moment.kept} of {len(log.entries)} requests kept, cut at {moment.cut}"
                raise Wrong(f"{where}, answered: {told(state)}, in flight: {call}\n    {error}") from None
            if call:
                outcomes[pool.found_done] += 1
        print(
            f"    {base.fs}: {len(moments)} of {len(log.entries)} moments, {len(log.flushes())} flushes;"
            f" what was in flight was done {outcomes[True]} times and undone {outcomes[False]} times",
            flush=True,
        )

    def check(self, machine, pool, ullage):
        """Serves what is left of it."""
        place = pool.place(machine, ullage)
        try:
            pool.serve(place)
            pool.verify(place)
            pool.leave(place)
            pool.examine(place)
        finally:
            place.kill()


class Recording:
    """The guest at work on a pool, with a mark before and behind each call."""

    def __init__(self, guest, pool):
        self.guest, self.pool, self.calls = guest, pool, []

    def begin(self):
        self.guest.do(f"MARK={MARK // BLOCK}")
        self.pool.serve(self.guest)

    def call(self, call):
        mark = 2 * len(self.calls)
        self.pool.call(self.guest, call, f"mark {mark}; {{}}; mark {mark + 1}")
        self.calls.append((call, dict(self.pool.state)))

    def end(self):
        """QEMU ends by itself, so that the log is whole."""
        self.guest.tell("quit")
        self.guest.process.wait()


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


def some_moments(log, calls, first, count, random):
    """Where to look: in any call, as often near its end as anywhere; by turns right at a flush, and with something lost.
    The first flush is among them, and the last."""
    flushes, marks, found = log.flushes(), log.marks(MARK), []
    for number in range(count - 2):
        mark = 2 * random.randrange(first, len(calls))
        begin, end = marks[mark], marks[mark + 1]
        if random.random() < 0.5:
            begin = max(begin, end - NEAR)
        cut = random.randint(begin + 1, end)
        kept = max((at for at in flushes if at < cut), default=0)
        found.append(Moment(kept, kept if number % 2 else cut))
    later = [at for at in flushes if at > marks[2 * first]]
    ends = [Moment(at, at) for at in (later[0], later[-1])]
    return sorted(found + ends, key=lambda moment: (moment.kept, moment.cut))


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
        recording.call(Call("resize", "cask", "ext4", 80))
        return 2
