"""Debian's Rspamd with the checks of senders and nothing else, or with nothing at all; and mail posted to it."""
import concurrent.futures, http.client, json, pathlib, subprocess, time

PLUGINS = "/usr/share/rspamd/plugins"
CHECKS = """spf { }
dkim { }
arc { sign_inbound = false; sign_local = false; sign_authenticated = false; }
dmarc { }
"""
CONF = """options {{
  pidfile = "{top}/pid"; filters = "{filters}"; tempdir = "{top}"; cache_file = "{top}/symbols.cache"; hs_cache_dir = "{top}/";
  control_socket = "{top}/control.sock mode=0600"; url_tld = "/usr/share/rspamd/effective_tld_names.dat"; dynamic_conf = "{top}/dynamic";
  dns {{ nameserver = ["127.0.0.1:53"]; timeout = 5s; retransmits = 3; }}
  check_all_filters = true; local_addrs = []; explicit_modules = ["settings"];
}}
logging {{ type = "console"; level = "error"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; mime = true; }}
actions {{ reject = 1000; add_header = 900; greylist = 800; }}
group "policies" {{ .include "/etc/rspamd/scores.d/policies_group.conf" }}
{modules}
"""
WANTED = {"rsa": {"R_SPF_ALLOW", "R_DKIM_ALLOW", "DMARC_POLICY_ALLOW"}, "arc": {"ARC_ALLOW"}}
LANES = 4


class Rspamd:
    """`checks`: with spf, dkim, arc and dmarc; otherwise without any module."""

    def __init__(self, top, port, checks, wrap=()):
        self.port, self.top = port, pathlib.Path(top)
        self.top.mkdir(mode=0o777)
        paths = "".join(f'modules {{ path = "{PLUGINS}/{name}.lua"; }}\n' for name in ("spf", "arc", "dmarc")) if checks else ""
        conf = self.top / "rspamd.conf"
        conf.write_text(CONF.format(top=top, port=port, filters="dkim" if checks else "", modules=CHECKS + paths if checks else ""))
        self.log = self.top / "log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([*wrap, "rspamd", "-f", "-i", "-c", str(conf)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=top)
        try:
            self.wait()
        except BaseException:
            self.process.kill()
            raise

    def wait(self, seconds=120):
        end = time.monotonic() + seconds
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                connection.request("GET", "/ping")
                if connection.getresponse().read().startswith(b"pong"):
                    return
            except OSError:
                pass
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("Rspamd does not answer:\n" + self.log.read_text()[-3000:])
            time.sleep(0.1)

    def pids(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def cpu_seconds(self):
        """User and system time of all its processes, by the scheduler: to the nanosecond, where `stat` knows ticks of 10 ms."""
        threads = (thread for pid in self.pids() for thread in pathlib.Path(f"/proc/{pid}/task").iterdir())
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def scan(self, messages):
        """Posts them all, a few at once; its answers in order."""
        with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
            lanes = [pool.submit(self.lane, messages[n::LANES]) for n in range(LANES)]
            answers = [lane.result() for lane in lanes]
        return [answers[at % LANES][at // LANES] for at in range(len(messages))]

    def lane(self, messages):
        connection, out = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120), []
        for facts, octets in messages:
            head = {"IP": facts["client"], "Helo": facts["helo"], "From": facts["sender"], "Rcpt": "bert@box.test", "Connection": "keep-alive"}
            connection.request("POST", "/checkv2", octets, head)  # connects anew where it was closed
            out.append(connection.getresponse().read())
        connection.close()
        return out

    def complaints(self, messages, how):
        """What it does not find in good mail, though it should."""
        wanted, out = set.union(*(WANTED.get(one, set()) for one in how)), set()
        signatures = sum(one != "arc" for one in how)
        for answer in self.scan(messages):
            found = json.loads(answer).get("symbols", {})
            valid = len(found.get("R_DKIM_ALLOW", {}).get("options") or ())
            if not wanted <= found.keys() or valid != signatures:
                out.add(f"wanted {sorted(wanted)} and {signatures} signatures, found {valid} and {sorted(found)}")
        return out

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
