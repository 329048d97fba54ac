// A websocket in the hands of a test: node wire.mjs URL [ORIGIN]. Each line of stdin is one frame to
// send, or an order: {"sign":{"key":…,"kind":…,…}} prints the signed event; {"close":1} closes. Each
// line of stdout is {"open":1}, {"refused":"…"}, {"closed":CODE} or {"message":…}.
import readline from 'node:readline';
import { finalizeEvent } from 'nostr-tools/pure';
import WebSocket from 'ws';

const [url, origin] = process.argv.slice(2);
const say = thing => process.stdout.write(JSON.stringify(thing) + '\n');
const ws = new WebSocket(url, origin ? { origin } : {});
ws.on('open', () => say({ open: 1 }));
ws.on('error', error => say({ refused: error.message }));
ws.on('close', code => say({ closed: code }));
ws.on('message', data => say({ message: JSON.parse(data.toString()) }));

for await (const line of readline.createInterface({ input: process.stdin })) {
  const order = line.startsWith('{') ? JSON.parse(line) : {};
  if (order.sign) {
    const { key, ...template } = order.sign;
    const event = { kind: 1, created_at: Math.floor(Date.now() / 1000), content: '', tags: [], ...template };
    say({ signed: finalizeEvent(event, Uint8Array.from(Buffer.from(key, 'hex'))) });
  } else if (order.close) ws.close();
  else if (order.binary) ws.send(Buffer.from(order.binary));
  else ws.send(line);
}
ws.close();
