// One signed pay_invoice, published twice at once and once more after the answer. Prints each answer.
//   node nwc-twice.mjs URI INVOICE
import { WebSocket } from 'ws';
import { finalizeEvent, getPublicKey } from 'nostr-tools/pure';
import * as nip44 from 'nostr-tools/nip44';

const url = new URL(process.argv[2].replace('nostr+walletconnect', 'http'));
const wallet = url.host, secret = Buffer.from(url.searchParams.get('secret'), 'hex'), key = nip44.getConversationKey(secret, wallet);
const content = nip44.encrypt(JSON.stringify({ method: 'pay_invoice', params: { invoice: process.argv[3] } }), key);
const event = finalizeEvent({ kind: 23194, created_at: Math.floor(Date.now() / 1000), content,
  tags: [['p', wallet], ['encryption', 'nip44_v2']] }, secret);
const sockets = await Promise.all([1, 2, 3].map(() => new Promise(done => {
  const socket = new WebSocket(url.searchParams.get('relay'));
  socket.on('open', () => done(socket));
})));
let answers = 0;
sockets[0].on('message', data => {
  const [type, , e] = JSON.parse(data);
  if (type === 'EOSE') for (const s of sockets.slice(0, 2)) s.send(JSON.stringify(['EVENT', event]));
  if (type !== 'EVENT') return;
  process.stdout.write(nip44.decrypt(e.content, key) + '\n');
  if (++answers === 1) sockets[2].send(JSON.stringify(['EVENT', event]));
});
sockets[0].send(JSON.stringify(['REQ', 'x', { kinds: [23195], authors: [wallet], '#p': [getPublicKey(secret)] }]));
setTimeout(() => process.exit(0), 3000);
