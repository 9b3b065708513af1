"""A headless Chromium, driven over its DevTools protocol."""

import json
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Tab:
    """The one tab of a browser."""

    def __init__(self, socket):
        self.socket, self.number, self.events = socket, 0, []

    def call(self, method, **parameters):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while (said := json.loads(self.socket.recv())).get("id") != self.number:
            self.events.append(said)
        assert "error" not in said, said
        return said["result"]

    def run(self, script):
        """The value of a piece of JavaScript."""
        said = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def wait_for(self, event):
        """Read on until an event comes that has not been waited for."""
        while True:
            for said in self.events:
                if said.get("method") == event:
                    self.events.remove(said)
                    return said
            self.events.append(json.loads(self.socket.recv()))

    def open(self, path):
        self._away("Page.navigate", url=Path(path).as_uri())

    def reload(self):
        """As a forced reload does, without the cache."""
        self._away("Page.reload", ignoreCache=True)

    def _away(self, method, **parameters):
        self.events = [said for said in self.events if said.get("method") != "Page.loadEventFired"]
        self.call(method, **parameters)
        self.wait_for("Page.loadEventFired")

    def press(self, key, *, modifiers=0):
        """A key as a keyboard presses it; 8 as modifiers is Shift."""
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, modifiers=modifiers, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, modifiers=modifiers)

    def resize(self, width, height, *, phone=False):
        how = {"width": width, "height": height, "deviceScaleFactor": 3 if phone else 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **how)


@contextmanager
def tab(folder):
    """A tab of a new browser, whose profile and downloads lie in a folder; a folder of before is gone on with."""
    import websocket  # comes with jupyterlab

    (folder / "profile").mkdir(parents=True, exist_ok=True)
    port_file = folder / "profile" / "DevToolsActivePort"
    port_file.unlink(missing_ok=True)
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-allow-origins=*"]
    flags += ["--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}", "--disable-dev-shm-usage"]
    command = [PROGRAM, *flags, "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stderr if line.startswith("DevTools listening on "))
            address = line.split()[-1].split("/devtools")[0].replace("ws://", "")
            socket = websocket.create_connection(_page_of(address), timeout=60, suppress_origin=True)
            found = Tab(socket)
            for domain in ("Page", "Runtime", "Network", "Log"):
                found.call(f"{domain}.enable")
            found.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
            yield found
            found.socket.send(json.dumps({"id": 0, "method": "Browser.close"}))
            process.stderr.read()
        finally:
            process.kill()


def _page_of(address):
    import urllib.request

    with urllib.request.urlopen(f"http://{address}/json/list") as answer:
        pages = json.load(answer)
    return next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
