// A customer that is not ours, written as the users of NDK write theirs: it asks for a job with NDK's own class,
// and prints every feedback and result as one JSON line, as NDK understands it.
//
//   node ndk.mjs RELAY SECONDS KIND REQUEST    { input: [[data, type, marker]…], params: {…}, output, bid, provider, encrypt }
import NDK, { NDKDVMJobFeedback, NDKDVMJobResult, NDKDVMRequest, NDKPrivateKeySigner, NDKUser } from '@nostr-dev-kit/ndk';
import WebSocket from 'ws';

globalThis.WebSocket = WebSocket;

const [url, seconds, kind, text] = process.argv.slice(2);
const order = JSON.parse(text);
const say = thing => console.log(JSON.stringify(thing));

const signer = NDKPrivateKeySigner.generate();
const ndk = new NDK({ explicitRelayUrls: [url], signer });
await ndk.connect(5000);

const request = new NDKDVMRequest(ndk);
request.kind = Number(kind);
for (const input of order.input ?? []) request.addInput(...input);
for (const [name, value] of Object.entries(order.params ?? {})) request.addParam(name, value);
if (order.output) request.output = order.output;
if (order.bid) request.bid = order.bid;
const provider = order.provider && new NDKUser({ pubkey: order.provider });
if (provider) { provider.ndk = ndk; request.tag(provider); }
if (order.encrypt) await request.encryption(provider);
await request.sign();
say({ request: request.rawEvent() });

const answers = ndk.subscribe({ kinds: [7000, request.kind + 1000], '#e': [request.id] }, { closeOnEose: false });
const open = async raw => {
  if (!raw.tags.some(t => t[0] === 'encrypted')) return raw.content;
  return signer.decrypt(new NDKUser({ pubkey: raw.pubkey }), raw.content, raw.content.includes('?iv=') ? 'nip04' : 'nip44');
};
answers.on('event', async event => {
  const raw = JSON.parse(JSON.stringify(event.rawEvent())); // as it came: NDK adds to it what it decrypts
  if (event.kind === 7000) {
    const feedback = await NDKDVMJobFeedback.from(event);
    say({ status: feedback.status, text: event.tags.find(t => t[0] === 'status')?.[2], content: await open(raw), event: raw });
    if (feedback.status === 'error') setTimeout(() => process.exit(0), 200);
    return;
  }
  const result = NDKDVMJobResult.from(event);
  say({ result: await open(raw), jobRequestId: result.jobRequestId, status: result.status, event: raw });
  setTimeout(() => process.exit(0), 200);
});
await request.publish();
setTimeout(() => process.exit(1), Number(seconds) * 1000);
