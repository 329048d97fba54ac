// Our C against nostr-tools, each reading what the other wrote.  node cross.mjs TOOL-NOSTR TOPIC
// The inputs are random; the seed is printed and can be given again as CROSS_SEED.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import readline from 'node:readline';
import { finalizeEvent, getEventHash, getPublicKey, verifyEvent } from 'nostr-tools/pure';
import * as nip04 from 'nostr-tools/nip04';
import * as nip06 from 'nostr-tools/nip06';
import * as nip10 from 'nostr-tools/nip10';
import * as nip13 from 'nostr-tools/nip13';
import * as nip19 from 'nostr-tools/nip19';
import * as nip44 from 'nostr-tools/nip44';
import * as nip17 from 'nostr-tools/nip17';
import * as nip59 from 'nostr-tools/nip59';
import { createRequire } from 'node:module';

const [path, topic] = process.argv.slice(2);
const seed = process.env.CROSS_SEED ?? String(Date.now());
console.log('seed', seed);

let counter = 0;
const bytes = () => createHash('sha256').update(`${seed}:${counter++}`).digest();
const number = max => bytes().readUInt32BE(0) % max;
const hex = b => Buffer.from(b).toString('hex');
const secret = () => new Uint8Array(bytes());
const alphabet = ['a', 'Z', ' ', '"', '\\', '/', '\n', '\r', '\t', '\b', '\f', '\u0001', '\u001f', '\u007f', 'é', 'ß', '日', '本',
  '\u2028', '\ufeff', '🦙', '👩‍🚀', '<', '&', '$'];
// Not in front: JavaScript's TextDecoder, which nostr-tools decrypts with, takes U+FEFF there for a mark.
const text = max => Array.from({ length: number(max) + 1 }, () => alphabet[number(alphabet.length)]).join('').replace(/^\ufeff+/, '') || 'a';

const tool = spawn(path, { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = readline.createInterface({ input: tool.stdout })[Symbol.asyncIterator]();
async function ours(...words) {
  tool.stdin.write(JSON.stringify(words) + '\n');
  return JSON.parse((await lines.next()).value);
}

const event = () => ({ kind: number(40000), created_at: 1600000000 + number(1e8), content: text(200),
  tags: Array.from({ length: number(6) }, () => Array.from({ length: number(4) + 1 }, () => text(12))) });

const topics = {
  async events() {
    for (let i = 0; i < 60; i++) {
      const theirs = finalizeEvent(event(), secret());
      assert.deepEqual(JSON.parse(await ours('verify', JSON.stringify(theirs))), JSON.parse(JSON.stringify(theirs)));
      const damaged = { ...theirs, content: theirs.content + '.' };
      assert.ok((await ours('verify', JSON.stringify(damaged))).error);

      const key = secret(), draft = event();
      const mine = JSON.parse(await ours('sign', hex(key), JSON.stringify(draft)));
      assert.ok(verifyEvent(mine));
      assert.equal(mine.pubkey, getPublicKey(key));
      for (const k of Object.keys(draft)) assert.deepEqual(mine[k], draft[k]);
    }
  },
  async nip06() {
    for (let i = 0; i < 8; i++) {
      const words = nip06.generateSeedWords();
      for (const account of [0, 1, 7])
        assert.equal(await ours('nip06', words, String(account)), getPublicKey(nip06.privateKeyFromSeedWords(words, '', account)));
    }
  },
  async nip19() {
    for (let i = 0; i < 40; i++) {
      const key = hex(bytes()), author = getPublicKey(secret());
      const relays = ['wss://relay.example.com', 'wss://nos.lol'].slice(number(3));
      assert.equal(await ours('npub', author), nip19.npubEncode(author));
      for (const [theirs, first] of [
        [nip19.npubEncode(author), author], [nip19.noteEncode(key), key], [nip19.nsecEncode(Buffer.from(key, 'hex')), key],
        [nip19.nprofileEncode({ pubkey: author, relays }), author],
        [nip19.neventEncode({ id: key, relays, author, kind: number(40000) }), key],
        [nip19.naddrEncode({ identifier: text(8), pubkey: author, kind: 30000 + number(10000), relays }), author],
      ]) {
        const [ourKey, again] = (await ours('nip19', theirs)).split(' ');
        assert.equal(ourKey, first);
        assert.deepEqual(nip19.decode(again), nip19.decode(theirs));
      }
    }
  },
  async nip44() {
    for (let i = 0; i < 60; i++) {
      const a = secret(), b = secret(), message = text(i === 0 ? 20000 : 300);
      const theirs = nip44.encrypt(message, nip44.getConversationKey(a, getPublicKey(b)));
      assert.equal(await ours('nip44-decrypt', hex(b), getPublicKey(a), theirs), message);
      const mine = await ours('nip44-encrypt', hex(b), getPublicKey(a), message);
      assert.equal(nip44.decrypt(mine, nip44.getConversationKey(a, getPublicKey(b))), message);
      const damaged = theirs.slice(0, -6) + (theirs.at(-6) === 'A' ? 'B' : 'A') + theirs.slice(-5);
      assert.ok((await ours('nip44-decrypt', hex(b), getPublicKey(a), damaged)).error);
    }
  },
  async nip10() {
    for (let i = 0; i < 30; i++) {
      const note = tags => finalizeEvent({ kind: 1, created_at: 1600000000 + i, tags, content: text(20) }, secret());
      const root = note([['p', getPublicKey(secret())]]), relay = 'wss://relay.example.com';
      const middle = number(2) ? note([['e', root.id, relay, 'root', root.pubkey], ['p', root.pubkey]]) : note([['e', root.id]]);
      for (const [to, ids] of [[root, [root.id, root.id]], [middle, [root.id, middle.id]]]) {
        const mine = JSON.parse(await ours('reply', hex(secret()), JSON.stringify(to), 'yes')), read = nip10.parse(mine);
        assert.ok(verifyEvent(mine));
        assert.deepEqual([read.root.id, read.reply.id], ids);
        assert.deepEqual([read.reply.author, read.reply.relays[0], read.mentions], [to.pubkey, relay, []]);
        assert.ok([to.pubkey, ...to.tags.filter(t => t[0] === 'p').map(t => t[1])].every(p => read.profiles.some(q => q.pubkey === p)));
        assert.equal(await ours('thread', JSON.stringify(mine)), ids.join(' '));
      }
      const theirs = nip10.parse(middle);
      assert.equal(await ours('thread', JSON.stringify(middle)), `${theirs.root.id} ${theirs.reply.id}`);
      assert.equal(await ours('thread', JSON.stringify(root)), '');
    }
  },
  async nip59() {
    for (let i = 0; i < 40; i++) {
      const a = secret(), b = secret(), message = text(i === 0 ? 20000 : 300), tags = [['p', getPublicKey(b)], ['subject', text(9)]];
      const wraps = nip17.wrapManyEvents(a, [{ publicKey: getPublicKey(b) }], message, text(9));
      for (const [wrap, key] of [[wraps[0], a], [wraps[1], b]]) {
        const rumor = JSON.parse(await ours('unwrap', hex(key), JSON.stringify(wrap)));
        assert.deepEqual(rumor, JSON.parse(JSON.stringify(nip59.unwrapEvent(wrap, key))));
        assert.deepEqual([rumor.content, rumor.pubkey, rumor.kind], [message, getPublicKey(a), 14]);
      }
      assert.ok((await ours('unwrap', hex(a), JSON.stringify(wraps[1]))).error);

      const draft = { kind: 14, created_at: 1700000000 + i, tags, content: message };
      const mine = JSON.parse(await ours('wrap', hex(a), getPublicKey(b), JSON.stringify(draft)));
      assert.ok(verifyEvent(mine));
      assert.deepEqual([mine.kind, mine.tags], [1059, [['p', getPublicKey(b)]]]);
      assert.notEqual(mine.pubkey, getPublicKey(a));
      const { id, pubkey, ...rumor } = nip17.unwrapEvent(mine, b);
      assert.deepEqual(rumor, draft);
      assert.equal(pubkey, getPublicKey(a));
      assert.equal(id, getEventHash({ ...draft, pubkey }));
      // Their seal around a rumor of somebody else's.
      const forged = nip59.createRumor(draft, a), theirs = secret();
      assert.ok((await ours('unwrap', hex(b), JSON.stringify(nip59.createWrap(nip59.createSeal(forged, theirs, getPublicKey(b)), getPublicKey(b))))).error);
    }
  },
  async nip04() {
    for (let i = 0; i < 60; i++) {
      const a = secret(), b = secret(), message = text(300);
      assert.equal(await ours('nip04-decrypt', hex(b), getPublicKey(a), nip04.encrypt(a, getPublicKey(b), message)), message);
      assert.equal(nip04.decrypt(a, getPublicKey(b), await ours('nip04-encrypt', hex(b), getPublicKey(a), message)), message);
    }
  },
  // Two packages read what we write; what one of them writes we read.
  async bolt11() {
    const require = createRequire(import.meta.url), bolt11 = require('bolt11'), light = require('light-bolt11-decoder');
    const regtest = { bech32: 'bcrt', pubKeyHash: 0x6f, scriptHash: 0xc4, validWitnessVersions: [0, 1] };
    const value = (decoded, name) => decoded.sections.find(s => s.name === name)?.value;
    for (let i = 0; i < 60; i++) {
      const node = hex(bytes()), hash = hex(bytes()), msat = number(4) ? number(1e9) + 1 : (number(1000) + 1) * 100000, about = text(60);
      const mine = await ours('bolt11-encode', node, String(msat), hash, about), facts = light.decode(mine), whole = bolt11.decode(mine, regtest);
      assert.deepEqual([value(facts, 'amount'), value(facts, 'payment_hash'), value(facts, 'description'), value(facts, 'expiry'), value(facts, 'timestamp'),
        value(facts, 'min_final_cltv_expiry')], [String(msat), hash, about, 600, 1700000000, 80]);
      assert.deepEqual([whole.millisatoshis, whole.payeeNodeKey.slice(2), whole.tagsObject.payment_hash],
        [String(msat), getPublicKey(Buffer.from(node, 'hex')), hash]);

      const secret = hex(bytes()), theirs = bolt11.sign(bolt11.encode({ network: regtest, millisatoshis: String(msat), timestamp: 1600000000 + i, tags: [
        { tagName: 'payment_hash', data: hash }, { tagName: 'description', data: about }, { tagName: 'payment_secret', data: secret },
        { tagName: 'expire_time', data: 77 }, { tagName: 'min_final_cltv_expiry', data: 30 },
        { tagName: 'feature_bits', data: { word_length: 4, payment_secret: { required: true, supported: true } } }] }, false), node);
      assert.equal(await ours('bolt11', theirs.paymentRequest), ['regtest', msat, 1600000000 + i, 77, 30, hash, secret, theirs.payeeNodeKey, about].join(' '));
      const at = 12 + number(theirs.paymentRequest.length - 12), letter = theirs.paymentRequest[at] === 'q' ? 'p' : 'q';
      assert.ok((await ours('bolt11', theirs.paymentRequest.slice(0, at) + letter + theirs.paymentRequest.slice(at + 1))).error);
    }
  },
  async nip13() {
    for (let i = 0; i < 30; i++) {
      const id = hex(bytes()).replace(/^.{0,6}/, m => '0'.repeat(number(m.length + 1)).padEnd(m.length, m));
      assert.equal(Number(await ours('difficulty', id)), nip13.getPow(id));
      const mined = JSON.parse(await ours('mine', JSON.stringify({ ...event(), pubkey: getPublicKey(secret()) })));
      assert.equal(getEventHash(mined), mined.id);
      assert.ok(nip13.getPow(mined.id) >= 10);
      assert.deepEqual(mined.tags.at(-1).slice(0, 1), ['nonce']);
    }
  },
};

await topics[topic]();
tool.stdin.end();
