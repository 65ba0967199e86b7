"""The scripts of the screens that show pictures, as Gradio takes them."""

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
MADE_WITH = {"marker": ("zoom", "onion", "brush", "keys", "controls", "layers", "lists"), "compare": ("zoom",)}
SCREEN = "<div class='screen'></div>"


def script(name: str) -> str:
    """A script with those that it is made with: Gradio takes one."""
    return "".join((ASSETS / f"{one}.js").read_text() for one in ("player", *MADE_WITH.get(name, ()), name))
