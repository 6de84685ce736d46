"""What the buttons of a form do before it is saved: add, move and take away rows and optional groups. Values stay as typed."""

from policies.forms.shapes import NEW, ON, ROW, Flat, row_numbers

ADD, REMOVE, UP, DOWN, SHOW, HIDE = "add", "remove", "up", "down", "show", "hide"


def operated(flat: Flat, told: str) -> dict[str, list[str]]:
    """The form after a button, told as `add:spec.prices` or `up:spec.prices.2`; anything else changes nothing."""
    verb, _, name = told.partition(":")
    after = {key: list(values) for key, values in flat.items()}
    if verb == ADD:
        number = max(row_numbers(flat, name), default=-1) + 1
        after[f"{name}.{number}{ROW}"] = [NEW]
    elif verb == SHOW:
        after[name + ON] = ["1"]
    elif verb in (REMOVE, HIDE):
        after = {key: values for key, values in after.items() if not _below(key, name)}
    elif verb in (UP, DOWN):
        return _moved(after, name, -1 if verb == UP else 1)
    return after


def added(flat: Flat, told: str) -> str:
    """The name of the row or group that a button brought; empty for other buttons."""
    verb, _, name = told.partition(":")
    if verb == ADD:
        return f"{name}.{max(row_numbers(flat, name), default=-1) + 1}"
    return name if verb == SHOW else ""


def _moved(flat: dict[str, list[str]], name: str, by: int) -> dict[str, list[str]]:
    head, _, own = name.rpartition(".")
    numbers = row_numbers(flat, head)
    if not own.isdecimal() or int(own) not in numbers:
        return flat
    place = numbers.index(int(own)) + by
    if not 0 <= place < len(numbers):
        return flat
    other = f"{head}.{numbers[place]}"
    swapped = {}
    for key, values in flat.items():
        if _below(key, name):
            swapped[other + key[len(name) :]] = values
        elif _below(key, other):
            swapped[name + key[len(other) :]] = values
        else:
            swapped[key] = values
    return swapped


def _below(key: str, name: str) -> bool:
    return key == name or key.startswith((f"{name}.", f"{name}@"))
