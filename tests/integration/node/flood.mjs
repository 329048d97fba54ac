// One customer with very many requests: node flood.mjs URL N TEMPLATE. Signs them all, sends them over one
// connection as fast as the relay takes them, and prints their ids.
import { initNostrWasm } from 'nostr-wasm';
import { finalizeEvent, generateSecretKey, setNostrWasm } from 'nostr-tools/wasm';
import WebSocket from 'ws';

const [url, n, text] = process.argv.slice(2);
const template = JSON.parse(text);
setNostrWasm(await initNostrWasm());

const key = generateSecretKey();
const now = Math.floor(Date.now() / 1000);
const requests = Array.from({ length: Number(n) }, (_, i) => finalizeEvent(
  { kind: 5970, created_at: now, content: '', ...template, tags: [...template.tags, ['t', String(i)]] }, key));

const ws = new WebSocket(url);
await new Promise((resolve, reject) => { ws.on('open', resolve); ws.on('error', reject); });
let open = requests.length;
const answered = new Promise(resolve => ws.on('message', () => { if (--open === 0) resolve(); }));
for (const request of requests) ws.send(JSON.stringify(['EVENT', request]));
await answered;
ws.close();
console.log(JSON.stringify({ pubkey: requests[0].pubkey, ids: requests.map(r => r.id) }));
