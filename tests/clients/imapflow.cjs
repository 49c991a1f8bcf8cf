// imapflow against the box in PILLARBOX_LINE; prints ok/FAIL lines, then `end`.
"use strict";
const { ImapFlow } = require("imapflow");
const assert = require("assert");
const fs = require("fs");
const box = JSON.parse(process.env.PILLARBOX_LINE);
const port = (name) => Number(box[name].split(":").pop());
const tls = { ca: fs.readFileSync(box.certificate), checkServerIdentity: () => undefined };
const client = (more) => new ImapFlow({ host: "127.0.0.1", port: port("imaps"), secure: true, auth: { user: box.account, pass: box.password }, tls, logger: false, ...more });

async function check(what, act) {
  try { await act(); console.log("ok   " + what); }
  catch (error) { console.log("FAIL " + what + ": " + String(error && (error.responseText || error.message)).replace(/\n/g, " / ")); }
}
const within = (promise, ms, what) => Promise.race([promise, new Promise((_, no) => setTimeout(() => no(new Error(what + ": not within " + ms + " ms")), ms))]);
const text = Buffer.from("From: A <a@elsewhere.example>\r\nTo: b@elsewhere.example\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n" +
  "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nplain text\r\n--b\r\nContent-Type: application/octet-stream; name=x.bin\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=x.bin\r\n\r\nAAECAw==\r\n--b--\r\n");

(async () => {
  const c = client();
  c.on("error", (error) => console.log("FAIL connection: " + error.message));
  await within(c.connect(), 20000, "connect");
  await check("the special folders are known", async () => {
    const list = await c.list({ statusQuery: { messages: true, uidNext: true } });
    for (const use of ["\\Sent", "\\Drafts", "\\Trash"]) assert(list.some((x) => x.specialUse === use), "no " + use);
    assert(list.every((x) => x.flags.has("\\Noselect") || (x.status && x.status.uidNext > 0)), "no STATUS in LIST");
  });
  await check("create, rename, subscribe, status", async () => {
    await c.mailboxCreate("Flow");
    await c.mailboxCreate(["Flow", "Gr\u00fc\u00dfe"]);
    await c.mailboxRename(["Flow", "Gr\u00fc\u00dfe"], ["Flow", "\u65e5\u672c"]);
    await c.mailboxSubscribe("Flow/\u65e5\u672c");
    assert.strictEqual((await c.status("Flow/\u65e5\u672c", { messages: true })).messages, 0);
  });
  await check("append with flags and date, fetch everything", async () => {
    const put = await c.append("Flow/\u65e5\u672c", text, ["\\Seen", "$Forwarded"], new Date(1e12));
    assert(put && put.uid, "no APPENDUID");
    const lock = await c.getMailboxLock("Flow/\u65e5\u672c");
    try {
      const m = await c.fetchOne(String(put.uid), { uid: true, flags: true, envelope: true, bodyStructure: true, internalDate: true, size: true, source: true, headers: ["subject"] }, { uid: true });
      assert.deepStrictEqual(m.source, text); assert.strictEqual(m.size, text.length);
      assert.strictEqual(m.envelope.subject, "gr\u00fc\u00dfe"); assert.strictEqual(m.envelope.from[0].address, "a@elsewhere.example");
      assert(m.flags.has("\\Seen") && m.flags.has("$Forwarded")); assert.strictEqual(+m.internalDate, 1e12);
      assert.strictEqual(m.bodyStructure.childNodes.length, 2); assert.strictEqual(m.bodyStructure.childNodes[1].disposition, "attachment");
      const part = await c.download(String(put.uid), "2", { uid: true });
      const chunks = []; for await (const x of part.content) chunks.push(x);
      assert.deepStrictEqual(Buffer.concat(chunks), Buffer.from([0, 1, 2, 3]));
    } finally { lock.release(); }
  });
  await check("search, flags, copy, move, delete", async () => {
    const lock = await c.getMailboxLock("Flow/\u65e5\u672c");
    try {
      for (let i = 0; i < 10; i++) await c.append("Flow/\u65e5\u672c", Buffer.from(`Subject: n${i}\r\n\r\nx\r\n`));
      await c.noop();
      const hits = await c.search({ subject: "n" }, { uid: true });
      assert.strictEqual(hits.length, 10);
      assert(await c.messageFlagsAdd(hits.slice(0, 3), ["\\Flagged"], { uid: true }));
      assert.strictEqual((await c.search({ flagged: true })).length, 3);
      const moved = await c.messageMove(hits.slice(0, 2), "Flow", { uid: true });
      assert.strictEqual(moved.uidMap.size, 2);
      const copied = await c.messageCopy(hits.slice(2, 4), "Flow", { uid: true });
      assert.strictEqual(copied.uidMap.size, 2);
      assert(await c.messageDelete(hits.slice(4, 10), { uid: true }));
      assert.strictEqual((await c.search({ all: true })).length, 3);
    } finally { lock.release(); }
  });
  await check("IDLE hears of a message", async () => {
    const lock = await c.getMailboxLock("INBOX");
    try {
      const exists = new Promise((yes) => c.once("exists", yes));
      const idle = c.idle();
      const other = client(); await other.connect();
      await other.append("INBOX", Buffer.from("Subject: idle\r\n\r\nx\r\n"));
      const heard = await within(exists, 15000, "exists");
      assert(heard.count > 0); await other.logout(); await c.noop(); await idle;
    } finally { lock.release(); }
  });
  await check("delete the mailboxes", async () => {
    await c.mailboxDelete("Flow/\u65e5\u672c"); await c.mailboxDelete("Flow");
  });
  await check("logout", () => within(c.logout(), 10000, "logout"));
  await check("STARTTLS on the plain port", async () => {
    const plain = client({ port: port("imap"), secure: false, doSTARTTLS: true });
    await within(plain.connect(), 20000, "connect"); assert(plain.secureConnection); await plain.logout();
  });
  console.log("end");
  process.exit(0);
})().catch((error) => { console.log("FAIL " + error.message); process.exit(1); });
