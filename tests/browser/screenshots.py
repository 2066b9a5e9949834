"""Take screenshots of the stage as a static page, with a stroke painted.

    make page
    python tests/browser/screenshots.py build/page FOLDER

leaves ``stage-1440-light.png`` and so on there: three widths, light and dark.
"""

import functools
import http.server
import sys
import threading
from pathlib import Path

from browser_session import browser

WIDTHS = (1440, 768, 360)


def main(page_folder: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(page_folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with browser() as page:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.goto("about:blank")
                page.goto(f"http://127.0.0.1:{server.server_port}/")
                page.wait_for_function("window.stage?.scene")
                box = page.locator(".st-grid").bounding_box()
                row = box["y"] + 0.6 * box["height"]
                page.mouse.move(box["x"] + 0.55 * box["width"], row)
                page.mouse.down()
                page.mouse.move(box["x"] + 0.9 * box["width"], row, steps=5)
                page.mouse.up()
                page.mouse.move(0, 0)
                page.wait_for_timeout(1200)  # until the facts are told
                page.screenshot(path=str(folder / f"stage-{width}-{scheme}.png"), full_page=True)
    server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
