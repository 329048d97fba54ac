// Private messages by nostr-tools (NIP-17), for people who are not ours.
//
//   node letter.mjs send RELAY TO TEXT   one gift wrap for TO, from the key LETTER_KEY
//   node letter.mjs read RELAY           what came for LETTER_KEY: one JSON line each, {"from":…,"text":…}
//   node letter.mjs old RELAY TO TEXT    the same by NIP-04 (kind 4)
//   node letter.mjs old-read RELAY       what came for LETTER_KEY by kind 4
//   node letter.mjs key                  the public key
import * as nip04 from 'nostr-tools/nip04';
import { finalizeEvent, getPublicKey } from 'nostr-tools/pure';
import * as nip17 from 'nostr-tools/nip17';
import { Relay, useWebSocketImplementation } from 'nostr-tools/relay';
import WebSocket from 'ws';

useWebSocketImplementation(WebSocket);

const [verb, url, to, text] = process.argv.slice(2);
const key = Uint8Array.from(Buffer.from(process.env.LETTER_KEY, 'hex'));
const me = getPublicKey(key);

if (verb === 'key') {
  console.log(me);
} else {
  const relay = await Relay.connect(url);
  if (verb === 'send') {
    await relay.publish(nip17.wrapEvent(key, { publicKey: to }, text));
  } else if (verb === 'old') {
    const content = nip04.encrypt(key, to, text);
    await relay.publish(finalizeEvent({ kind: 4, created_at: Math.floor(Date.now() / 1000), tags: [['p', to]], content }, key));
  } else {
    await new Promise(resolve => relay.subscribe([{ kinds: [verb === 'read' ? 1059 : 4], '#p': [me] }], {
      onevent(event) {
        const { pubkey, kind, content } = verb === 'read' ? nip17.unwrapEvent(event, key)
          : { ...event, content: nip04.decrypt(key, event.pubkey, event.content) };
        console.log(JSON.stringify({ from: pubkey, kind, text: content }));
      },
      oneose: resolve,
    }));
  }
  relay.close();
}
