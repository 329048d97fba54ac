// A customer that is not ours with a wallet by NIP-47: nostr-tools asks for a job, @getalby/sdk pays
// what the provider wants, and the result is waited for.
//   node nwc-customer.mjs RELAY-URL NWC-URI BITS      prints {amount, payment_hash, preimage, result}
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { finalizeEvent, generateSecretKey, verifyEvent } from 'nostr-tools/pure';
import { Relay } from 'nostr-tools/relay';
import { WebSocket } from 'ws';

globalThis.WebSocket = WebSocket;
const say = console.log;
console.info = console.warn = console.debug = console.log = () => {};
const { NWCClient } = await import('@getalby/sdk');
const { decode } = createRequire(import.meta.url)('light-bolt11-decoder');

const [url, uri, bits] = process.argv.slice(2);
const wallet = new NWCClient({ nostrWalletConnectUrl: uri }), relay = await Relay.connect(url);
const now = () => Math.floor(Date.now() / 1000);
const draft = { pubkey: 'ab'.repeat(32), created_at: 1700000000, kind: 1, tags: [], content: 'paid for' };
const request = finalizeEvent({ kind: 5970, created_at: now(), content: '', tags: [['i', JSON.stringify(draft), 'text'], ['param', 'pow', bits]] },
  generateSecretKey());
const said = {};

relay.subscribe([{ '#e': [request.id], kinds: [7000, 6970] }], {
  async onevent(event) {
    assert.ok(verifyEvent(event));
    const find = name => event.tags.find(t => t[0] === name);
    if (event.kind === 6970) {
      say(JSON.stringify({ ...said, result: event }));
      process.exit(0);
    }
    if (find('status')[1] !== 'payment-required' || said.amount) return;
    const [, amount, invoice] = find('amount');
    said.amount = Number(amount);
    said.payment_hash = decode(invoice).sections.find(s => s.name === 'payment_hash').value;
    said.preimage = (await wallet.payInvoice({ invoice })).preimage;
  },
});
await relay.publish(request);
