//! The documented configuration. What it says is what holds without it: a test parses it and compares.

/// The whole file, ready to be edited. Only `hostname` must be changed.
pub fn text() -> String {
    EXAMPLE.to_string()
}

const EXAMPLE: &str = r#"# Pillarbox. Every key is here with its default; only `hostname` must be set.
# `pillarbox config check` explains every mistake. Relative paths begin at this file's directory.
# After a change: systemctl reload pillarbox (listening addresses and limits need a restart).

# The name under which the world reaches this box: a full name in the DNS that points here,
# and to which the address of this machine points back (PTR). Mail domains are not set here
# but with `pillarbox domain add`.
hostname = "mail.example.org"

# Where everything is kept. One directory, one server.
data = "/var/lib/pillarbox"

# Started as root, the server binds its ports and becomes this user. The systemd unit that
# `pillarbox service print` prints starts it unprivileged at once and needs no such line.
# user = "pillarbox"

# Addresses per service. [] switches a service off. TLS: on `submissions` and `imaps` from the
# first octet; on the others after STARTTLS, and nobody can log in before it.
[listen]
smtp = ["0.0.0.0:25", "[::]:25"]            # mail from other servers
submissions = ["0.0.0.0:465", "[::]:465"]   # mail from your people
submission = ["0.0.0.0:587", "[::]:587"]    # the same with STARTTLS
imap = ["0.0.0.0:143", "[::]:143"]          # reading, with STARTTLS
imaps = ["0.0.0.0:993", "[::]:993"]         # reading

# Certificates, chosen by the name that a client asks for; the first one also serves clients
# that ask for no name or another one. Changed files are noticed within a minute. Without any,
# a self-signed certificate is made in the data directory: clients will warn.
# [[certificate]]
# chain = "/etc/letsencrypt/live/mail.example.org/fullchain.pem"
# key = "/etc/letsencrypt/live/mail.example.org/privkey.pem"

# Sizes are numbers of octets or texts like "50 MiB" (units of 1024).
[limits]
message_bytes_max = "50 MiB"        # one message; a larger one is refused with 552
smtp_connections_max = 50           # at once, from other servers
submission_connections_max = 10     # at once, from your people's programs
imap_connections_max = 200          # at once; a phone holds 1 to 5, a desktop program up to 10
memory_bytes_max = "48 MiB"         # the server does not start when the worst case of these limits is above this
disk_reserve_bytes = "64 MiB"       # below this much free space new mail is refused with 452, for later
quota_bytes = 0                     # mail of one account that has no quota of its own; 0 is unlimited

# Answers of the DNS: senders are checked by them, and mail finds its way by them.
[dns]
# Asked instead of the root of the DNS: "192.0.2.1", or "tls://192.0.2.1#name.in.its.certificate".
# Leave it empty where port 53 is not blocked: blocklists do not answer to large shared resolvers.
# Signatures (DNSSEC) are checked here in any case.
forward = []
ipv6 = true                         # servers are asked over IPv6 too
cache_bytes = "512 KiB"             # answers that are remembered
private_servers = false             # servers with private addresses are asked (a DNS of your own)
unvalidated = ["pool.ntp.org"]      # time servers: looked up even when signatures cannot be judged for want of a clock
# root_hints = "root.hints"         # the root's servers: lines like `a.root-servers.net. 3600 IN A 198.41.0.4`
# trust_anchors = "root.key"        # the root's keys: lines like `. IN DNSKEY 257 3 8 AwEAA...`
# tls_roots = "authorities.pem"     # who may have signed certificates of tls:// servers; without it the usual ones

[addresses]
detail_separator = "+"              # name+anything@domain goes to name@domain; "" switches it off

# Reports about mail (DMARC, TLS). Domains whose mail reaches this box ask for one a day: who sent in
# their name, and whether it was authentic. `pillarbox reports` shows those that others send you.
[reports]
send = true                         # false where a relay counts what you send
per_day_max = 50                    # the domains with most mail first
organization = ""                   # what you are called in them; "" is the hostname
contact = ""                        # whom to ask; "" is the postmaster of the sender's domain
from = ""                           # who sends them; "" is noreply-dmarc of a domain of this box
addresses = []                      # reports of others are read when they come here; [] is to anybody

# Mail from elsewhere is checked: SPF, DKIM, DMARC, ARC and the name of the client's address. Mail that its author's
# domain wants refused (DMARC, p=reject) goes to Junk, because mail of lists fails that too; it is refused where
# nothing speaks for a list or a forwarder.
[checks]
strict_domains = []                 # of these domains, and those below, such mail is always refused

# Servers of yours that stand between this box and the world: a backup MX, a tunnel, a proxy. Who stands behind them
# is checked, not they; what they bring is never refused for its content (they would bounce it to strangers) and goes
# to Junk instead. A mail server tells who gave it a message by the Received field that it writes. A proxy that passes
# connections on must begin each of them with a PROXY header of version 2 (on every port; then also TLS comes after
# it). Only addresses on these lists are believed.
# [[trusted_relay]]
# networks = ["192.0.2.7", "2001:db8::/64"]     # where it connects from
# proxy_protocol = false                        # true: a proxy; false: a mail server

# Who is taken whatever the checks of a sender say, and who is refused at once; `allow` comes first. Senders are
# "anna@example.org", "example.org" (that domain) or "*.example.org" (all below it). Anybody can write any sender: on
# `allow` one counts only when SPF or a signature stands behind it, and a host only when its address leads back to its
# name. 1,000 entries at most.
[allow]
senders = []
hosts = []                          # names of other servers, like "mail.example.org" or "*.example.org"
networks = []                       # like "192.0.2.0/24" or "2001:db8::/32"

[deny]
senders = []
hosts = []                          # the name of its address, or the name that it greets with
networks = []

# What a server of a stranger or its sender can have against it. true refuses the mail, false counts for its score.
[reject]
sender_domain_missing = true        # the sender's domain does not exist
sender_null_mx = true               # the sender's domain says that it takes no mail
sender_without_address = false      # it has neither a mail exchanger nor an address
sender_without_mx = false           # it has an address alone
sender_literal = false              # it is an address in brackets
helo_ours = false                   # the server greets with our name or address
helo_wrong_literal = false          # with an address in brackets that is not its own
helo_bare_address = false           # with an address without brackets
helo_no_dot = false                 # with a word that is no full name
helo_unknown = false                # with a name that has no address
ptr_missing = false                 # its address has no name in the DNS
ptr_unconfirmed = false             # the name does not lead back to the address
ptr_generic = false                 # the name looks like that of a household's line
"#;
