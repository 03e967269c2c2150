"""A headless Chromium driven over its own DevTools protocol: loads a page, runs programs in it, takes pictures."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium():
    """The program to run; None where there is none. CHROMIUM names another than the first on PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page in one browser process. Everything that it asks a network for, or complains of, is kept."""

    def __init__(self, wait=60):
        self.wait = wait
        self.errors, self.requests = [], []
        self._ids, self._answers, self._seen = itertools.count(1), {}, set()
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [
                find_chromium(),
                "--headless=new",
                "--no-sandbox",  # root in a container has none
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-default-apps",
                "--force-color-profile=srgb",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
                "--remote-allow-origins=*",
                f"--user-data-dir={self._folder.name}",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def _connect(self):
        place = Path(self._folder.name) / "DevToolsActivePort"
        end = time.monotonic() + self.wait
        while not place.exists() or len(place.read_text().split()) < 2:
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{find_chromium()} did not start (exit code {self._process.poll()})")
            time.sleep(0.05)
        port, path = place.read_text().split()
        self._socket = websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=self.wait)
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """A command of the protocol, and its result."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while number not in self._answers:
            self._receive()
        answer = self._answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _receive(self):
        message = json.loads(self._socket.recv())
        if "id" in message:
            self._answers[message["id"]] = message
            return
        told, event = message.get("params", {}), message["method"]
        self._seen.add(event)
        if event == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(told["exceptionDetails"])[:600])
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(told["args"])[:600])
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(told["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])

    def open(self, path, width=1280, height=900, *, dark=False, phone=False):
        """Loads a file; returns once everything on it can be used, with the seconds that this took."""
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.size(width, height, phone=phone)
        self._seen.discard("Page.loadEventFired")
        begin = time.monotonic()
        self.call("Page.navigate", url=Path(path).resolve().as_uri())
        while "Page.loadEventFired" not in self._seen:
            self._receive()
        self.until("document.documentElement.dataset.ready === 'yes'")
        return time.monotonic() - begin

    def size(self, width, height, *, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def run(self, program):
        """The value of an expression in the page; promises are awaited."""
        result = self.call("Runtime.evaluate", expression=program, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{program}: {result['exceptionDetails']['exception'].get('description')}")
        return result["result"].get("value")

    def until(self, condition):
        """Waits for a condition in the page."""
        program = f"""new Promise((resolve) => {{
            const look = async () => ({condition}) ? resolve(true) : setTimeout(look, 10);
            look();
        }})"""
        return self.run(program)

    def key(self, name, code, text=None):
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **more)

    def picture(self, path, selector=None, limit=4000):
        """A picture of an element, or of what the window shows; at most `limit` points high."""
        clip = {}
        if selector:
            box = self.run(
                f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
                "return [b.x + scrollX, b.y + scrollY, b.width, b.height]; })()"
            )
            clip = {"clip": {"x": box[0], "y": box[1], "width": box[2], "height": min(box[3], limit), "scale": 1}}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=bool(selector), **clip)
        Path(path).write_bytes(base64.b64decode(shot["data"]))
