// A zap receipt as nostr-tools and light-bolt11-decoder read it; the event comes by stdin.
//   node zap-read.mjs      prints {sender, recipient, event, comment, msat, hash}
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import * as nip57 from 'nostr-tools/nip57';
import { verifyEvent } from 'nostr-tools/pure';

const { decode } = createRequire(import.meta.url)('light-bolt11-decoder');
const event = JSON.parse(readFileSync(0)), tag = (e, name) => e.tags.find(t => t[0] === name)?.[1];
assert.ok(verifyEvent(event));
assert.equal(event.kind, 9735);
const text = tag(event, 'description'), bolt11 = tag(event, 'bolt11'), request = JSON.parse(text);
assert.equal(nip57.validateZapRequest(text), null);
const value = name => decode(bolt11).sections.find(s => s.name === name)?.value;
assert.equal(value('description_hash'), crypto.createHash('sha256').update(text).digest('hex'));
const preimage = tag(event, 'preimage'), hash = value('payment_hash');
assert.equal(crypto.createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex'), hash);
console.log(JSON.stringify({ sender: request.pubkey, recipient: tag(event, 'p'), event: tag(event, 'e') ?? '', comment: request.content,
  msat: Number(value('amount')), hash }));
