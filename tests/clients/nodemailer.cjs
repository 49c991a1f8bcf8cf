// nodemailer against the box in PILLARBOX_LINE; prints ok/FAIL lines, then `end`.
"use strict";
const nodemailer = require("nodemailer");
const fs = require("fs");
const box = JSON.parse(process.env.PILLARBOX_LINE);
const port = (name) => Number(box[name].split(":").pop());
const tls = { ca: fs.readFileSync(box.certificate), checkServerIdentity: () => undefined };
const auth = { user: box.account, pass: box.password };
const transport = (more) => nodemailer.createTransport({ host: "127.0.0.1", auth, tls, connectionTimeout: 10000, socketTimeout: 20000, ...more });
const mail = (marker, more) => ({ from: box.account, to: box.account, subject: marker, text: "gr\u00fc\u00dfe\r\n.\r\n..\r\n.x\r\n", ...more });

async function check(what, act) {
  try { await act(); console.log("ok   " + what); }
  catch (error) { console.log("FAIL " + what + ": " + String(error && error.message).replace(/\n/g, " / ")); }
}
const refused = (promise, code) => promise.then(
  () => { throw new Error("accepted"); },
  (error) => { if (error.responseCode !== code) throw new Error(`got ${error.responseCode || error.message}, expected ${code}`); });

(async () => {
  const starttls = transport({ port: port("submission"), requireTLS: true });
  const secure = transport({ port: port("submissions"), secure: true });
  await check("verify over STARTTLS", () => starttls.verify());
  await check("send over STARTTLS", () => starttls.sendMail(mail("nodemailer-starttls")));
  await check("send over TLS with an attachment and Bcc", () => secure.sendMail(mail("nodemailer-tls", {
    encoding: "7bit", text: "first\r\n.\r\n..\r\n.x\r\n", bcc: box.account, attachments: [{ filename: "a.bin", content: Buffer.alloc(200000, 7) }] })));
  await check("DSN parameters", () => secure.sendMail(mail("nodemailer-dsn", { dsn: { id: "some-id+2B", return: "headers", notify: ["failure", "delay"], recipient: box.account } })));
  await check("LOGIN mechanism", () => transport({ port: port("submissions"), secure: true, authMethod: "LOGIN" }).verify());
  await check("a pool of 5 sends 40", async () => {
    const pool = transport({ port: port("submissions"), secure: true, pool: true, maxConnections: 5 });
    await Promise.all(Array.from({ length: 40 }, (_, i) => pool.sendMail(mail("nodemailer-pool", { messageId: `<pool${i}@client.example>` }))));
    pool.close();
  });
  await check("a wrong password gets 535", () => refused(transport({ port: port("submissions"), secure: true, auth: { user: box.account, pass: "wrong" } }).verify(), 535));
  console.log("end");
  process.exit(0);
})();
