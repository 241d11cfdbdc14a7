"""The power goes at random moments, and the guest is started again on the same disk."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Timer

from calls import next_call
from place import Gone, Refused, raw
from pool import Pool, Wrong


class Cuts:
    def __init__(self, rounds):
        self.rounds = rounds
        self.name = f"after_{rounds}_power_cuts_every_answer_is_true_and_nothing_else_is_left"
        # What takes how long here, in seconds, as it was last: so that a cut falls into it on any machine.
        self.lasts = {"start": 6.0, "create": 1.0, "resize": 1.0, "delete": 0.5, "write": 0.3}
        self.during, self.answers = Counter(), 0

    def run(self, machine, backend, ullage, seed, scratch):
        pools = [Pool.make(scratch / f"{fs}.disk", fs, backend) for fs in backend.pools]
        with ThreadPoolExecutor(1) as examiner:
            examined = []  # of each round, what is to be complained of
            last = self.rounds + len(pools) - 1  # the last ones only look at what the last cuts have left
            for number in range(last + 1):
                pool, random = pools[number % len(pools)], Random(f"{seed} {number}")
                name, copy, wrong = f"round {number} on {pool.fs}", scratch / f"round-{number}.disk", []
                found = lambda pool: examined.append(examiner.submit(self.examine, name, pool, machine, ullage))
                try:
                    self.round(machine, pool, random, copy, found, number < self.rounds)
                except (Wrong, Refused) as error:
                    wrong.append(f"{name}: {error}")
                # Where it is wrong it may have been so before: then all that the checkers say is worth hearing.
                while examined and (wrong or number == last or examined[0].done()):
                    wrong += examined.pop(0).result()
                if wrong:
                    raise Wrong("\n".join(wrong))
        during = ", ".join(f"{count} × {what}" for what, count in sorted(self.during.items()))
        print(f"    {self.answers} calls answered, {self.rounds} cuts: {during}")

    def round(self, machine, pool, random, copy, found, is_cut):
        """Starts, looks whether all is true, and works until the power goes. `found` gets the disk as it was then."""
        guest = machine.start(raw(pool.disk))
        self.cut, self.where = Timer(0, guest.kill), "start"
        try:
            began = time.monotonic()
            if is_cut and random.random() < 0.2:
                self.cut_within("start", guest, random)
            pool.serve(guest)
            pool.verify(guest)
            guest.do("sync")
            self.lasts["start"] = time.monotonic() - began
            found(Pool(pool.copy(copy), pool.fs, pool.backend, dict(pool.state)))
            if is_cut:
                self.work(guest, pool, random)
        except Gone as gone:
            if not is_cut:
                raise Wrong("the guest died by itself") from None
            pool.cut(str(gone))
            self.during[self.where] += 1
        finally:
            self.cut.cancel()
            guest.kill()

    def work(self, guest, pool, random):
        """Some calls, and one in which the power goes; or soon after it."""
        calls, number = random.randrange(5), random.randrange(1 << 30)
        while True:
            call = next_call(random, pool.state, pool.backend, number)
            if calls == 0:
                self.cut_within(call.verb, guest, random)
            self.where, began = call.verb, time.monotonic()
            pool.call(guest, call)
            self.lasts[call.verb] = time.monotonic() - began
            self.answers, calls, number = self.answers + 1, calls - 1, number + 1

    def cut_within(self, what, guest, random):
        self.cut = Timer(random.uniform(0, 1.1 * self.lasts[what]), guest.kill)
        self.cut.start()

    def examine(self, name, pool, machine, ullage):
        """After the logs are replayed, is everything whole? What is not."""
        place = pool.place(machine, ullage)
        try:
            pool.mount(place)
            pool.examine(place)
        except (Wrong, Refused, Gone) as error:
            return [f"{name}, looked at by the checkers: {type(error).__name__}: {error}"]
        finally:
            place.kill()
        pool.disk.unlink()
        return []
