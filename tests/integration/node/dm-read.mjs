// Private messages as nostr-tools reads them.  node dm-read.mjs
// stdin: {"mnemonic": "…", "events": [kind 1059 …]}; prints [{"from", "text"}] of those that are for this key.
import { readFileSync } from 'node:fs';
import * as nip06 from 'nostr-tools/nip06';
import * as nip17 from 'nostr-tools/nip17';

const { mnemonic, events } = JSON.parse(readFileSync(0));
const key = nip06.privateKeyFromSeedWords(mnemonic);
const read = [];
for (const event of events) {
  try {
    const rumor = nip17.unwrapEvent(event, key);
    read.push({ from: rumor.pubkey, text: rumor.content });
  } catch {
    // for somebody else
  }
}
console.log(JSON.stringify(read));
