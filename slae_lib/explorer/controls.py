"""Controls that have a name for everyone, with whatever version of ipywidgets is there.

No sliders: in the browser, the handle of ipywidgets' slider has no name, so a screen reader says
"slider" and a number. ToggleButtons do not tell which of them is pressed. Number fields, lists and
check boxes do all of that, and the arrow keys move them too.
"""

from typing import Any

import ipywidgets as widgets

from slae_lib.support.language import said


def control(kind: type[Any], name: str, help_text: str, **options: Any) -> Any:
    """Return a control with a visible name and an explanation.

    Args:
        kind: class of ipywidgets, such as ``Dropdown``.
        name: stands beside the control and is what a screen reader says.
        help_text: shown when the mouse rests on the control.
        options: of the class.
    """
    style = {} if kind is widgets.Button else {"description_width": "8.5em"}
    options = {"layout": {"width": "auto"}, "style": style, **options}
    made = kind(description=said(name), **options)
    # ipywidgets 7 has the tooltip of everything but a button under another name.
    trait = "tooltip" if made.has_trait("tooltip") else "description_tooltip"
    setattr(made, trait, said(help_text))
    return made


def column(title: str, parts: list[Any]) -> Any:
    """Return controls below each other, under a heading; columns stand side by side if they fit."""
    heading = widgets.HTML(f"<b>{said(title)}</b>")
    layout = {"flex": "1 1 19em", "min_width": "19em", "margin": "0 8px 6px 0"}
    return widgets.VBox([heading, *parts], layout=layout)


def row(parts: list[Any]) -> Any:
    """Return parts side by side; what does not fit goes to the next line."""
    return widgets.Box(parts, layout={"display": "flex", "flex_flow": "row wrap"})
