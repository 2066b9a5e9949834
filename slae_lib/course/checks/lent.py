"""The lab's own that stand in the notebook under a student's names, so that no check takes them."""

_lent: dict[str, tuple[object, list[object]]] = {}  # name to the lab's own, and its values then


def lend(own: dict[str, object]) -> None:
    """Note what stands under names from now on."""
    _lent.update({name: (each, _values(each)) for name, each in own.items()})


def is_lent(answer: object) -> bool:
    """Whether an answer is the lab's own; a table is not once all its values are the student's."""
    then = [value for own, values in _lent.values() if own is answer for value in values]
    return any(now is value for now in _values(answer) for value in then)


def _values(answer: object) -> list[object]:
    """Return the values of a dict or list, and of those in it; of all else, what is given."""
    if not isinstance(answer, dict | list):
        return [answer]
    values = answer.values() if isinstance(answer, dict) else answer
    return [inner for value in values for inner in _values(value)]
