"""Running a client program: bounded, its words kept for the failure message."""
import os, subprocess


def run(*words, text=None, seconds=60, codes=(0,), env=None, cwd=None):
    """Run a program; returns its standard output. Raises with both outputs when its exit code is not expected."""
    try:
        done = subprocess.run([str(w) for w in words], input=text.encode() if isinstance(text, str) else text, capture_output=True,
                              stdin=None if text is not None else subprocess.DEVNULL, timeout=seconds, env={**os.environ, **(env or {})}, cwd=cwd)
    except FileNotFoundError:
        raise AssertionError(f"{words[0]} is not installed: run tests/clients/install") from None
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"{words[0]} not over after {seconds} s; it said:\n{tail(error.stdout)}\n{tail(error.stderr)}") from None
    if codes is not None and done.returncode not in codes:
        raise AssertionError(f"{words[0]} ended with {done.returncode}; it said:\n{tail(done.stdout)}\n{tail(done.stderr)}")
    return done.stdout if codes is not None else done


def tail(octets, count=2500):
    return (octets or b"").decode("utf-8", "replace")[-count:]
