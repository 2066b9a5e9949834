"""How a notebook shows what checks and hints say; without one, it is printed."""

from typing import Any

from slae_lib.course.texts import as_html, as_plain
from slae_lib.support.language import lang_attribute


def shell() -> Any:
    """Return the running IPython, or None."""
    from IPython.core.getipython import get_ipython

    return get_ipython()


def show_box(head: str, why: str, then: list[str]) -> None:
    """Show a coloured box, with the same as plain text for where no HTML is shown."""
    style = "border-left: 0.4em solid #d55e00; background: #d55e0022; padding: 0.2em 1em"
    small = "".join(f"<p><small>{as_html(line)}</small></p>" for line in then)
    body = f"<p><strong>{as_html(head)}</strong> {as_html(why)}</p>{small}"
    _display(
        {"text/html": f'<div{lang_attribute()} style="{style}">{body}</div>'},
        as_plain("\n".join([f"{head} {why}", *then])),
    )


def show_markdown(text: str) -> None:
    """Show a text as Markdown."""
    _display({"text/markdown": text}, text)


def _display(rich: dict[str, str], plain: str) -> None:
    from IPython.display import display

    if shell() is None:
        print(plain)
    else:
        display({**rich, "text/plain": plain}, raw=True)  # type: ignore[no-untyped-call]
