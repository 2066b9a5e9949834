"""Controls that have a name for everyone, with whatever version of ipywidgets is there.

No sliders: in the browser, the handle of ipywidgets' slider has no name, so a screen reader says
"slider" and a number. ToggleButtons do not tell which of them is pressed. Number fields, lists and
check boxes do all of that, and the arrow keys move them too.
"""

import sys
from types import ModuleType
from typing import Any


def find_ipywidgets() -> ModuleType | None:
    """Return the module, or None if it is not installed."""
    try:
        import ipywidgets
    except ImportError:
        return None
    return ipywidgets


def why_no_controls() -> str:
    """Return one sentence that says why there can be no controls here, or nothing."""
    if find_ipywidgets() is None:
        return (
            "The package ipywidgets is missing, so this is a picture without controls; "
            "`pip install ipywidgets` and a new start of the kernel bring them."
        )
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is None:
        return (
            "There is no notebook around this program, so this is a picture without controls; "
            "open it in Jupyter, VS Code or Colab to get them."
        )
    return ""


def control(kind: str, name: str, help_text: str, **options: Any) -> Any:
    """Return a control with a visible name and an explanation.

    Args:
        kind: class of ipywidgets, such as ``"Dropdown"``.
        name: stands beside the control and is what a screen reader says.
        help_text: shown when the mouse rests on the control.
        options: of the class.
    """
    widgets = find_ipywidgets()
    assert widgets is not None
    style = {} if kind == "Button" else {"description_width": "8.5em"}
    options = {"layout": {"width": "auto"}, "style": style, **options}
    made = getattr(widgets, kind)(description=name, **options)
    # ipywidgets 7 has the tooltip of everything but a button under another name.
    trait = "tooltip" if made.has_trait("tooltip") else "description_tooltip"
    setattr(made, trait, help_text)
    return made


def column(title: str, parts: list[Any], width: str = "19em") -> Any:
    """Return controls below each other, under a heading; columns stand side by side if they fit."""
    widgets = find_ipywidgets()
    assert widgets is not None
    heading = widgets.HTML(f"<b>{title}</b>")
    layout = {"flex": f"1 1 {width}", "min_width": width, "margin": "0 8px 6px 0"}
    return widgets.VBox([heading, *parts], layout=layout)


def row(parts: list[Any]) -> Any:
    """Return parts side by side; what does not fit goes to the next line."""
    widgets = find_ipywidgets()
    assert widgets is not None
    return widgets.Box(parts, layout={"display": "flex", "flex_flow": "row wrap"})
