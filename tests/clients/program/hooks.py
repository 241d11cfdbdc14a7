"""What schemathesis asks, made cheap: volumes that are made are small and sparse. And made to meet something: half of the ids are
of a volume that exists, other than when it would be deleted."""

import random

import schemathesis

LARGEST_MB = 320
# Far beyond any disk: refused at once, so these are tried as they are.
ABSURD_MB = 1 << 30
SUBJECT = "subject"

dice = random.Random(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    where, method = case.operation.path, case.method.upper()
    if "id" in (case.path_parameters or {}) and method != "DELETE" and dice.random() < 0.5:
        case.path_parameters["id"] = SUBJECT
    if not isinstance(case.body, dict):
        return
    size = case.body.get("size")
    if isinstance(size, int) and not isinstance(size, bool) and LARGEST_MB < size < ABSURD_MB:
        case.body["size"] = 20 + size % (LARGEST_MB - 19)
    if where == "/volumes" and method == "POST" and case.body.get("sparse") in (None, False):
        # Without a size it is 1 GiB; what is no size at all is refused before.
        case.body["sparse"] = True
