// Private messages by nostr-tools (NIP-17), for people who are not ours.
//
//   node letter.mjs send RELAY TO TEXT   one gift wrap for TO, from the key LETTER_KEY
//   node letter.mjs read RELAY           what came for LETTER_KEY: one JSON line each, {"from":…,"text":…}
//   node letter.mjs key                  the public key
import { getPublicKey } from 'nostr-tools/pure';
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
  } else {
    await new Promise(resolve => relay.subscribe([{ kinds: [1059], '#p': [me] }], {
      onevent(wrap) {
        const rumor = nip17.unwrapEvent(wrap, key);
        console.log(JSON.stringify({ from: rumor.pubkey, kind: rumor.kind, text: rumor.content }));
      },
      oneose: resolve,
    }));
  }
  relay.close();
}
