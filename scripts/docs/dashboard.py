"""Photograph the views of the dashboard for docs/dashboard.md, while the demo's film plays.

    python -m scripts.docs.dashboard        # writes docs/pictures/dashboard-*.png; takes minutes

Needs Mosquitto, Chromium and Playwright (`pip install -e '.[browser]'`). The film is the middle of
the demo's, in which the portrait stays in view, forwards and backwards. The fleet's other boards
are played by hand.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from device.demo.clip import frames
from device.messages import Status
from tests.device.dashboard import helpers
from tests.support.broker import Listener, Mosquitto
from tests.support.browser import expect, open_browser, open_page
from tests.support.dashboard import dashboard, film

PICTURES = Path(__file__).parent.parent.parent / "docs" / "pictures"
MAX_BYTES = 150_000
FILM_S = 75  # so that the chart has something to show
MIDDLE = slice(45, 85)  # frames of the demo's clip with a face
STILL_MS = 2500  # until bars stand still
ATTENTION = ("--set", "device.attention.enabled=true")
BOARDS = {"attic": "running", "barn": "failed", "garage": "paused", "hall": "running"}


def main() -> None:
    """Play the film, and save a picture of each view."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Mosquitto(folder).start()
        try:
            _photograph(folder, broker)
        finally:
            broker.kill()


def _photograph(folder: Path, broker: Mosquitto) -> None:
    with (
        open_browser() as browser,
        Listener(broker.port, "nothing") as listener,
        dashboard(folder / "page", broker.port, "--topic", "emotion/demo") as url,
        dashboard(folder / "fleet", broker.port, "--web", command="fleet") as fleet_url,
        film(_write_middle(folder / "film"), broker.port, "demo", *ATTENTION),
    ):
        with open_page(browser, f"{url}/room") as page:
            page.wait_for_timeout(FILM_S * 1000)
            listener.publish("emotion/demo/cmd/request/selftest", "{}")
            expect(page, "#attention-word").to_contain_text("facing")
            expect(page, "#mood-word").to_have_text("Mostly positive")
            page.wait_for_timeout(STILL_MS)
            page.screenshot(path=_path("room"))
        with open_page(browser, f"{url}/driver", color_scheme="dark") as page:
            expect(page, "#sign-text").to_have_text("Attentive")
            page.wait_for_timeout(STILL_MS)
            page.screenshot(path=_path("driver"))
        with open_page(browser, f"{url}/device") as page:
            expect(page, "#stages tr").not_to_have_count(0)
            expect(page, "#selftest li").not_to_have_count(0)
            page.wait_for_timeout(STILL_MS)
            page.screenshot(path=_path("device"))
        with open_page(browser, f"{url}/room", 390, 844) as page:
            expect(page, "#attention-word").to_contain_text("facing")
            page.wait_for_timeout(STILL_MS)
            page.screenshot(path=_path("phone"))
        for board, camera in BOARDS.items():
            listener.publish(f"emotion/{board}/availability", "online", retain=True)
            listener.publish(f"emotion/{board}/status", _status(board, camera).to_json(), retain=True)
        with open_page(browser, f"{fleet_url}/fleet") as page:
            expect(page, "#boards tr").to_have_count(len(BOARDS) + 1)
            page.screenshot(path=_path("fleet"))


def _write_middle(folder: Path) -> Path:
    """Write the pictures of the film into the folder `clip` of a folder; returns the folder."""
    import cv2

    clip = folder / "clip"
    clip.mkdir(parents=True)
    middle = list(frames())[MIDDLE]
    for number, frame in enumerate(middle + middle[::-1]):
        cv2.imwrite(str(clip / f"{number:04d}.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return folder


def _status(board: str, camera: str) -> Status:
    error = "the camera /dev/video0 does not answer" if camera == "failed" else None
    return helpers.status(device=board, camera=camera, camera_error=error)


def _path(view: str) -> Path:
    return PICTURES / f"dashboard-{view}.png"


if __name__ == "__main__":
    main()
    for path in sorted(PICTURES.glob("dashboard-*.png")):
        assert path.stat().st_size < MAX_BYTES, f"{path} is too large"
        print(path, path.stat().st_size)
