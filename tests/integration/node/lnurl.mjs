// A lightning address's server that is not ours: LNURL-pay and zaps (NIP-57) by nostr-tools, its money by
// NIP-47 (@getalby/sdk) in whatever wallet the addresses give.
//
//   node lnurl.mjs NAME=NWC-URI …      prints {"port", "pubkey"} when it listens: NAME@127.0.0.1:PORT
//
// What a name begins with is how it behaves:
//   plain…   knows nothing of zaps             other…   its invoice is for another request
//   text…    its invoice says the text "tea" instead of the request's hash
//   silent…  is paid and sends no receipt
// GET /asked says how often each name was asked for an invoice.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import * as nip57 from 'nostr-tools/nip57';
import { finalizeEvent, generateSecretKey, getPublicKey, verifyEvent } from 'nostr-tools/pure';
import { Relay } from 'nostr-tools/relay';
import { WebSocket } from 'ws';

globalThis.WebSocket = WebSocket;
const say = console.log;
console.info = console.warn = console.debug = console.log = () => {};
const { NWCClient } = await import('@getalby/sdk');

const secret = generateSecretKey(), asked = {};
const wallets = Object.fromEntries(process.argv.slice(2).map(word => {
  const at = word.indexOf('=');
  return [word.slice(0, at), new NWCClient({ nostrWalletConnectUrl: word.slice(at + 1) })];
}));
const sha256 = text => crypto.createHash('sha256').update(text).digest('hex');
const metadata = name => JSON.stringify([['text/plain', `for ${name}`], ['text/identifier', `${name}@127.0.0.1`]]);
const pause = ms => new Promise(done => setTimeout(done, ms));

async function receipt(wallet, made, zap) {
  // A wallet that dies answers nothing, and the client would wait for a minute.
  const look = () => Promise.race([wallet.lookupInvoice({ payment_hash: made.payment_hash }), pause(2000)]).catch(() => null);
  let row;
  while (!(row = await look())?.settled_at) await pause(200);
  const event = finalizeEvent(nip57.makeZapReceipt({ zapRequest: zap, preimage: row.preimage, bolt11: made.invoice,
    paidAt: new Date(row.settled_at * 1000) }), secret);
  assert.ok(verifyEvent(event));
  for (const url of JSON.parse(zap).tags.find(t => t[0] === 'relays').slice(1)) {
    const relay = await Relay.connect(url);
    await relay.publish(event);
    relay.close();
  }
}

async function invoice(name, query) {
  const wallet = wallets[name], zap = query.get('nostr'), amount = Number(query.get('amount'));
  asked[name] = (asked[name] ?? 0) + 1;
  if (zap) {
    const wrong = nip57.validateZapRequest(zap);
    if (wrong) return { status: 'ERROR', reason: wrong };
    const asks = JSON.parse(zap).tags.find(t => t[0] === 'amount');
    if (asks && Number(asks[1]) !== amount) return { status: 'ERROR', reason: 'another amount' };
  }
  const about = name.startsWith('other') ? 'something else' : zap ?? metadata(name);
  const made = await wallet.makeInvoice(name.startsWith('text') ? { amount, description: 'tea' } : { amount, description_hash: sha256(about) });
  if (zap && !name.startsWith('silent')) receipt(wallet, made, zap).catch(e => process.stderr.write(`${e}\n`));
  return { pr: made.invoice, routes: [] };
}

async function answer(url) {
  const name = url.pathname.split('/').pop();
  if (name === 'asked') return asked;
  if (!wallets[name]) return { status: 'ERROR', reason: 'nobody of this name' };
  if (url.pathname.startsWith('/cb/')) return invoice(name, url.searchParams);
  const zaps = name.startsWith('plain') ? {} : { allowsNostr: true, nostrPubkey: getPublicKey(secret) };
  return { tag: 'payRequest', callback: `http://${url.host}/cb/${name}`, minSendable: 1000, maxSendable: 100_000_000,
    commentAllowed: 100, metadata: metadata(name), ...zaps };
}

const server = http.createServer((request, response) => {
  answer(new URL(request.url, `http://${request.headers.host}`))
    .catch(e => ({ status: 'ERROR', reason: String(e.message) }))
    .then(body => response.end(JSON.stringify(body)));
});
server.listen(0, '127.0.0.1', () => say(JSON.stringify({ port: server.address().port, pubkey: getPublicKey(secret) })));
