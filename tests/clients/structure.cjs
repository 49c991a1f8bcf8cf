// imapflow reads ENVELOPE and BODYSTRUCTURE of every message of a mailbox; prints ok/FAIL lines, then `end`.
"use strict";
const { ImapFlow } = require("imapflow");
const box = JSON.parse(process.env.PILLARBOX_LINE);
const [host, port] = [box.imap.split(":")[0], Number(box.imap.split(":").pop())];

(async () => {
  const c = new ImapFlow({ host, port, secure: false, doSTARTTLS: false, auth: { user: box.account, pass: box.password }, logger: false, tls: { rejectUnauthorized: false } });
  const trouble = [];
  c.on("error", (error) => trouble.push("connection: " + error.message));
  await c.connect();
  const lock = await c.getMailboxLock(box.mailbox, { readOnly: true });
  let parsed = 0, parts = 0;
  const walk = (node) => { parts++; (node.childNodes || []).forEach(walk); };
  for await (const m of c.fetch("1:*", { uid: true, flags: true, envelope: true, bodyStructure: true, size: true, internalDate: true })) {
    if (!m.envelope || !m.bodyStructure || !m.bodyStructure.type || !(m.size >= 0) || !m.internalDate) trouble.push("UID " + m.uid + " has no envelope or structure");
    else { parsed++; walk(m.bodyStructure); }
  }
  lock.release();
  await c.logout();
  if (parsed !== box.count) trouble.push(`${parsed} of ${box.count} messages`);
  console.log(trouble.length ? "FAIL imapflow: " + trouble.slice(0, 5).join("; ") + ` (${trouble.length} in all)` : `ok   ENVELOPE and BODYSTRUCTURE of all ${parsed} messages (${parts} parts), parsed by imapflow`);
  console.log("end");
  process.exit(0);
})().catch((error) => { console.log("FAIL imapflow: " + (error.responseText || error.message)); process.exit(1); });
