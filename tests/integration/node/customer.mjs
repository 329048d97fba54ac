// A customer that is not ours: nostr-tools signs the request and verifies every answer.
//
//   node customer.mjs post  RELAYS TEMPLATE...   signs one request per template, publishes each to all
//   node customer.mjs watch RELAYS SECONDS ID... prints every answer to these requests until each has
//                                                a result or an error, or the time is over (exit 1)
//   node customer.mjs sign  - TEMPLATE...        only signs, and prints the events
//   node customer.mjs buy   RELAYS SECONDS TEMPLATE...   post, then watch
//
// RELAYS are URLs joined with commas. A TEMPLATE is JSON: { kind, content, tags } and what is left out
// has a default. With { scheme, to } its tags go encrypted (nip44 or nip04) to that key, and what the
// answers say encrypted is printed as "opened". One JSON line for each thing that happened: {"request":…} {"relay":…,"event":…}.
import * as nip04 from 'nostr-tools/nip04';
import * as nip44 from 'nostr-tools/nip44';
import { finalizeEvent, generateSecretKey, verifyEvent } from 'nostr-tools/pure';
import { Relay, useWebSocketImplementation } from 'nostr-tools/relay';
import WebSocket from 'ws';

useWebSocketImplementation(WebSocket);

const [verb, relays, ...rest] = process.argv.slice(2);
const urls = relays.split(',');
const say = thing => console.log(JSON.stringify(thing));
const key = process.env.CUSTOMER_KEY ? Uint8Array.from(Buffer.from(process.env.CUSTOMER_KEY, 'hex')) : generateSecretKey();

const schemes = {
  nip44: {
    seal: (peer, text) => nip44.encrypt(text, nip44.getConversationKey(key, peer)),
    open: (peer, text) => nip44.decrypt(text, nip44.getConversationKey(key, peer)),
  },
  nip04: { seal: (peer, text) => nip04.encrypt(key, peer, text), open: (peer, text) => nip04.decrypt(key, peer, text) },
};
const opened = async e => !e.content || !e.tags.some(t => t[0] === 'encrypted') ? undefined
  : schemes[e.content.includes('?iv=') ? 'nip04' : 'nip44'].open(e.pubkey, e.content);

function sign(text) {
  const { scheme, to, ...template } = JSON.parse(text);
  if (scheme) {
    template.content = schemes[scheme].seal(to, JSON.stringify(template.tags));
    template.tags = [['p', to], ['encrypted']];
  }
  return finalizeEvent({ kind: 5970, created_at: Math.floor(Date.now() / 1000), content: '', tags: [], ...template }, key);
}

async function post(requests) {
  for (const request of requests) {
    say({ request });
    for (const url of urls) {
      const relay = await Relay.connect(url);
      await relay.publish(request);
      relay.close();
    }
  }
}

const isOver = e => e.kind !== 7000 || e.tags.some(t => t[0] === 'status' && t[1] === 'error');

async function watchOne(url, open, finish) {
  const ids = [...open];
  const seen = new Set();
  for (;;) {
    try {
      const relay = await Relay.connect(url);
      const closed = new Promise(resolve => { relay.onclose = resolve; });
      relay.subscribe([{ '#e': ids }], {
        async onevent(event) {
          if (seen.has(event.id) || event.kind < 6000 || event.kind > 7000) return;
          seen.add(event.id);
          say({ relay: url, event, verified: verifyEvent(event), opened: await opened(event) });
          if (isOver(event)) for (const t of event.tags) if (t[0] === 'e') open.delete(t[1]);
          if (open.size === 0) finish();
        },
      });
      await closed;
    } catch { /* the relay is down just now */ }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

function watch(ids, seconds) {
  const open = new Set(ids);
  return new Promise(resolve => {
    setTimeout(() => resolve(false), seconds * 1000);
    // A moment more after the last result: a second one would be an error worth seeing.
    for (const url of urls) void watchOne(url, open, () => setTimeout(() => resolve(true), 300));
  });
}

let ok = true;
if (verb === 'post') await post(rest.map(sign));
else if (verb === 'sign') rest.map(sign).forEach(say);
else if (verb === 'watch') ok = await watch(rest.slice(1), Number(rest[0]));
else {
  const requests = rest.slice(1).map(sign);
  await post(requests);
  ok = await watch(requests.map(r => r.id), Number(rest[0]));
}
process.exit(ok ? 0 : 1);
