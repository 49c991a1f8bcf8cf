"""The resolver under test as a process that answers lines (ask.rs, built as the example dns_ask)."""
import collections, os, pathlib, queue, subprocess, threading, time

Answer = collections.namedtuple("Answer", "question outcome security ttl detail")


class Asker:
    def __init__(self, program, anchors, roots=("127.1.0.1", "127.1.0.2"), options=(), log=subprocess.DEVNULL):
        words = [str(program), *(w for r in roots for w in ("--root", r)), *(["--anchors", str(anchors)] if anchors else []), *options]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def ask(self, *questions, seconds=90):
        """Asks all of them at once; their answers as they come. An error where one does not come or the process ends."""
        try:
            self.process.stdin.write("".join(q + "\n" for q in questions))
            self.process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError(f"the resolver ended with {self.process.wait()}") from None
        end, out = time.monotonic() + seconds, []
        while len(out) < len(questions):
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise RuntimeError(f"{len(questions) - len(out)} of {len(questions)} not answered within {seconds} s") from None
            if line is None:
                raise RuntimeError(f"the resolver ended with {self.process.wait()}")
            out.append(parsed(line))
        return out

    def load(self, questions, seconds=300):
        """Of a quiet one: asks them all, {outcome: count} when all are answered."""
        threading.Thread(target=self.feed, args=(questions,), daemon=True).start()
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            raise RuntimeError(f"{len(questions)} questions were not answered within {seconds} s") from None
        if line is None:
            raise RuntimeError(f"the resolver ended with {self.process.wait()}")
        return {word: int(count) for word, _, count in (part.partition("=") for part in line.split()[1:])}

    def feed(self, questions):
        for at in range(0, len(questions), 500):
            self.process.stdin.write("".join(q + "\n" for q in questions[at:at + 500]))
        self.process.stdin.write("done\n")
        self.process.stdin.flush()

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def memory_kib(self):
        return memory_kib(self.process.pid)

    def stop(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return self.process.wait()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kib(pid):
    """Resident, anonymous."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, _, rest = line.partition(":")
        found[key] = int(rest.split()[0])
    return found["Rss"], found["Anonymous"]


def parsed(line):
    fields = line.split("\t")
    if len(fields) != 5:
        raise RuntimeError(f"an answer of another form: {line}")
    question, outcome, security, ttl, detail = fields
    return Answer(question, outcome, security, int(ttl), detail)
