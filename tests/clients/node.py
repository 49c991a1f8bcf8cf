"""Running one of the Node.js scripts: it gets the box's line in PILLARBOX_LINE and prints `ok ...` and `FAIL ...` lines."""
import json, os, pathlib
from program import run

HERE = pathlib.Path(__file__).resolve().parent


def node(script, t, box, seconds=120, **more):
    """Run tests/clients/SCRIPT and count its lines."""
    tools = os.environ.get("PILLARBOX_TOOLS") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "pillarbox-tests")
    try:
        done = run("node", HERE / script, seconds=seconds, codes=None, env={"NODE_PATH": os.path.join(tools, "node_modules"), "PILLARBOX_LINE": json.dumps({**box.line, **more})})
    except AssertionError as error:
        return t.check(False, script, str(error))
    last = None
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        last = line
        if line.startswith("ok "):
            t.check(True, line[3:].strip())
        elif line.startswith("FAIL "):
            t.check(False, line[5:].strip())
        else:
            print("      " + line)
    t.check(done.returncode == 0 and last == "end", f"{script} ran to its end", done.stderr.decode("utf-8", "replace")[-1500:])
