"""Counts every question that leaves the resolver, whoever the server is: a packet socket on the namespace's loopback."""
import collections, ipaddress, socket, struct, threading, time
from wire import Query, under


Seen = collections.namedtuple("Seen", "server name kind how port id flags")  # the name as it was sent; of TCP only the beginning is seen


class Sniffer:
    """`questions` grows by a `Seen` each; those of other clients are not counted."""

    def __init__(self, ignore=("127.5.", "127.6.")):
        self.questions, self.ignore, self.open = [], ignore, True
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.bind(("lo", 0))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        threading.Thread(target=self.run, daemon=True).start()

    def close(self):
        self.open = False

    def run(self):
        while self.open:
            frame, (_, _, packet_type, *_) = self.sock.recvfrom(65536)
            if packet_type != socket.PACKET_OUTGOING:  # every packet passes twice
                try:
                    self.packet(frame[14:])
                except (IndexError, struct.error, ValueError):
                    pass

    def packet(self, packet):
        if packet[0] >> 4 == 4:
            protocol, source, target, body = packet[9], packet[12:16], packet[16:20], packet[(packet[0] & 15) * 4:]
        else:
            protocol, source, target, body = packet[6], packet[8:24], packet[24:40], packet[40:]
        port, to = struct.unpack_from("!HH", body)
        source, target = str(ipaddress.ip_address(source)), str(ipaddress.ip_address(target))
        if to not in (53, 853) or source.startswith(self.ignore):
            return
        if protocol == 17:
            query = Query(body[8:])
            self.questions.append(Seen(target, query.name, query.kind, "udp", port, query.id, query.flags))
        elif protocol == 6 and body[13] & 0x12 == 2:  # SYN: what is asked inside is not looked at
            self.questions.append(Seen(target, "", "", "tcp", port, 0, 0))

    def mark(self):
        """A place to count from, once what is under way has been read."""
        time.sleep(0.03)
        return len(self.questions)

    def count(self, mark, suffix=None, kind=None, server=None):
        """Questions since a mark, all or those at or under a name, of a kind, to a server."""
        return sum(1 for q in self.questions[mark:]
                   if (suffix is None or q.how == "udp" and under(q.name, suffix)) and (kind is None or q.kind == kind) and (server is None or q.server == server))
