"""The power goes at random moments, and the guest is started again on the same disk."""

import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random

from calls import next_call
from place import Gone, Outside, Refused, raw
from pool import Pool, Wrong

# How long after a start the power goes, in seconds: at most. Most have begun to make calls after some five.
AT_WORK, AT_START = 4.0, 6.0


class Cuts:
    def __init__(self, rounds):
        self.rounds = rounds
        self.name = f"after_{rounds}_power_cuts_every_answer_is_true_and_nothing_else_is_left"

    def run(self, machine, backend, ullage, seed, scratch):
        pools = [Pool.make(scratch / f"{fs}.disk", fs, backend) for fs in backend.pools]
        self.during, self.answers = {}, 0
        with ThreadPoolExecutor(1) as examiner:
            examined = []
            for number in range(self.rounds + len(pools)):  # the last ones only look at what the last cuts have left
                pool, random = pools[number % len(pools)], Random(f"{seed} {number}")
                copy = scratch / f"cut-{number}.disk"
                examine = lambda: examined.append(examiner.submit(self.examine, pool_at(pool, copy), ullage))
                try:
                    self.round(machine, pool, random, copy, examine, number < self.rounds)
                    while examined and examined[0].done():
                        examined.pop(0).result()
                except (Wrong, Refused) as error:
                    raise Wrong(f"round {number} on {pool.fs}: {error}") from None
            for last in examined:
                last.result()
        during = ", ".join(f"{count} × {what}" for what, count in sorted(self.during.items()))
        print(f"    {self.answers} answered calls; cut during: {during}")

    def round(self, machine, pool, random, copy, examine, cut):
        """Starts, looks whether all is true, and works until the power goes."""
        guest = machine.start(raw(pool.disk))
        is_early = random.random() < 0.2
        moment = random.uniform(0, AT_START if is_early else AT_WORK)
        timer, where = threading.Timer(moment, guest.kill), "start"
        try:
            if cut and is_early:
                timer.start()
            pool.serve(guest)
            where = "recovery"
            pool.verify(guest)
            guest.do("sync")
            pool.copy(copy)
            examine()
            if not cut:
                return
            if not is_early:
                timer.start()
            number = random.randrange(1 << 30)
            while True:
                where = "a call"
                call = next_call(random, pool.state, pool.backend, number := number + 1)
                where = call.verb
                pool.call(guest, call)
                self.answers += 1
        except Gone as gone:
            pool.cut(str(gone))
            if not cut:
                raise Wrong("the guest died by itself") from None
            self.during[where] = self.during.get(where, 0) + 1
        finally:
            timer.cancel()
            guest.kill()

    def examine(self, pool, ullage):
        """With this machine's kernel, and its programs: after the logs are replayed, is everything whole?"""
        outside = Outside(ullage)
        try:
            outside.insert(pool.disk, pool.fs)
            pool.examine(outside)
        finally:
            outside.kill()
        pool.disk.unlink()


def pool_at(pool, disk):
    """The same, somewhere else, as it is now."""
    return Pool(disk, pool.fs, pool.backend, dict(pool.state))
