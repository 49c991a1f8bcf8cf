"""Debian's unbound in the same namespace: the peer of the benchmark, and a forwarder for the cases. Never the system's own."""
import pathlib, subprocess, time

CONF = """server:
  interface: {address}@53
  {tls}
  outgoing-interface: 127.5.0.1
  outgoing-interface: fd00::1
  port: 53
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{top}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 0
  num-threads: 1
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  root-hints: "{top}/hints"
  trust-anchor-file: "{anchors}"
  module-config: "validator iterator"
  use-caps-for-id: yes
  qname-minimisation: yes
  local-zone: "test." nodefault
  local-zone: "2.0.192.in-addr.arpa." nodefault
  local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
  {more}
remote-control:
  control-enable: no
"""


def start(top, anchors, roots, address="127.5.0.1", tls=None, more=""):
    """The process, once it answers; `tls` is (key file, certificate file) for port 853 beside 53."""
    top = pathlib.Path(top)
    top.mkdir()
    (top / "hints").write_text(". 3600 NS ns.\n" + "".join(f"ns. 3600 A {r}\n" for r in roots))
    words = f'interface: {address}@853\n  tls-port: 853\n  tls-service-key: "{tls[0]}"\n  tls-service-pem: "{tls[1]}"' if tls else ""
    (top / "unbound.conf").write_text(CONF.format(top=top, anchors=anchors, address=address, tls=words, more=more))
    log = open(top / "log", "w")
    process = subprocess.Popen(["unbound", "-d", "-c", str(top / "unbound.conf")], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    for _ in range(100):
        if "NOERROR" in subprocess.run(["kdig", f"@{address}", "+retry=0", "+time=1", ".", "NS"], capture_output=True, text=True).stdout:
            return process
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"unbound does not answer: {(top / 'log').read_text()[-800:]}")
