// A NIP-47 wallet that is not ours: NWCWalletService of @getalby/sdk over a small ledger, which
// misbehaves on order. Invoices are made by the npm package bolt11.
//
//   node nwc-wallet.mjs RELAY-URL [nip04]      prints {"uri","control","client"} when it listens
//
// Orders are JSON objects, POSTed to the control port: {"do": NAME, …}:
//   invoice  msat            somebody else's invoice, which this wallet can pay
//   pay      hash [quiet]    somebody pays an invoice of this wallet; quiet: without a notification
//   mode     …               what replaces or adds to {"lose","refuse","junk","late","hide","state",
//                            "amount","invoice"}: what make_invoice is about or answers, whatever was asked for
//   state                    {"requests": […], "payments": …, "balance"}
import crypto from 'node:crypto';
import http from 'node:http';
import { createRequire } from 'node:module';
import { WebSocket } from 'ws';

globalThis.WebSocket = WebSocket;
console.info = console.warn = () => {};
const { NWCWalletService, NWCWalletServiceKeyPair } = await import('@getalby/sdk');
const { getPublicKey, finalizeEvent } = await import('nostr-tools/pure');
const bolt11 = createRequire(import.meta.url)('bolt11');

const [relayUrl, only] = process.argv.slice(2);
const hex = b => Buffer.from(b).toString('hex');
const now = () => Math.floor(Date.now() / 1000);
const sha256 = b => crypto.createHash('sha256').update(b).digest();
const regtest = { bech32: 'bcrt', pubKeyHash: 0x6f, scriptHash: 0xc4, validWitnessVersions: [0, 1] };

const walletSecret = hex(crypto.randomBytes(32)), clientSecret = crypto.randomBytes(32);
const client = getPublicKey(clientSecret);
const keys = new NWCWalletServiceKeyPair(walletSecret, client);
const rows = new Map();      // hash -> transaction
const preimages = new Map(); // of everybody
const paid = new Map();      // hash -> how often it was really paid
const requests = [];
let mode = {}, balance = 1_000_000_000;

function invoice(msat, description, expiry = 3600, descriptionHash) {
  const preimage = crypto.randomBytes(32), hash = hex(sha256(preimage));
  const tags = [
    { tagName: 'payment_hash', data: hash },
    descriptionHash ? { tagName: 'purpose_commit_hash', data: descriptionHash } : { tagName: 'description', data: description ?? '' },
    { tagName: 'payment_secret', data: hex(crypto.randomBytes(32)) },
    { tagName: 'expire_time', data: expiry },
    { tagName: 'feature_bits', data: { word_length: 4, payment_secret: { required: true, supported: true },
      var_onion_optin: { required: true, supported: true } } },
  ];
  const { paymentRequest } = bolt11.sign(bolt11.encode({ network: regtest, millisatoshis: String(msat), timestamp: now(), tags }, false), walletSecret);
  preimages.set(hash, hex(preimage));
  return { type: 'incoming', state: 'pending', invoice: paymentRequest, description: description ?? '', payment_hash: hash,
    amount: msat, fees_paid: 0, created_at: now(), expires_at: now() + expiry };
}

const ok = result => ({ result, error: undefined });
const no = (code, message = code) => ({ result: undefined, error: { code, message } });
const never = () => new Promise(() => {});

async function settle(request) {
  const decoded = bolt11.decode(request.invoice, regtest);
  const hash = decoded.tags.find(t => t.tagName === 'payment_hash').data, msat = Number(decoded.millisatoshis ?? request.amount);
  const known = rows.get(hash);
  if (known?.state === 'settled') return no('INTERNAL', 'this invoice has already been paid');
  const row = { type: 'outgoing', state: 'pending', invoice: request.invoice, payment_hash: hash, amount: msat, fees_paid: 7, created_at: now() };
  rows.set(hash, row);
  if (mode.state) { row.state = mode.state; return mode.state === 'pending' ? never() : no('PAYMENT_FAILED', 'no route'); }
  paid.set(hash, (paid.get(hash) ?? 0) + 1);
  balance -= msat + 7;
  Object.assign(row, { state: 'settled', settled_at: now(), preimage: mode.junk ? '00'.repeat(32) : preimages.get(hash) });
  if (mode.lose === 'answer') return never();
  return ok({ preimage: row.preimage, fees_paid: 7 });
}

const seen = (method, f) => async params => {
  requests.push({ method, params });
  if (mode.lose === method) return never();
  if (mode.refuse?.[method]) return no(mode.refuse[method]);
  return f(params ?? {});
};

const handler = {
  getInfo: seen('get_info', async () => ok({ alias: 'alby-sdk', color: '', pubkey: keys.walletPubkey, network: mode.network ?? 'regtest',
    block_height: 1, block_hash: '', methods: ['get_info', 'pay_invoice', 'make_invoice', 'lookup_invoice', 'get_balance'] })),
  getBalance: seen('get_balance', async () => ok({ balance })),
  makeInvoice: seen('make_invoice', async p => {
    const row = invoice(mode.amount ?? p.amount, p.description, p.expiry, p.description_hash);
    if (mode.invoice) row.invoice = mode.invoice;
    rows.set(row.payment_hash, row);
    return ok(row);
  }),
  payInvoice: seen('pay_invoice', settle),
  lookupInvoice: seen('lookup_invoice', async p => {
    const row = rows.get(p.payment_hash);
    if (!row || mode.hide) return no('NOT_FOUND', 'no such invoice');
    const late = row.type === 'incoming' && row.state === 'pending' && row.expires_at < now();
    return ok({ ...row, state: late ? 'expired' : row.state, preimage: row.preimage ?? '' });
  }),
};

const service = new NWCWalletService({ relayUrl });
await service.relay.connect();
if (only === 'nip04')
  await service.relay.publish(finalizeEvent({ kind: 13194, created_at: now(), tags: [], content: 'get_info pay_invoice make_invoice lookup_invoice get_balance' },
    Buffer.from(walletSecret, 'hex')));
else await service.publishWalletServiceInfoEvent(walletSecret, ['get_info', 'pay_invoice', 'make_invoice', 'lookup_invoice', 'get_balance'], ['payment_received']);
await service.subscribe(keys, handler);

async function notify(row) {
  const scheme = only ?? 'nip44_v2';
  const content = await service.encrypt(keys, JSON.stringify({ notification_type: 'payment_received', notification: row }), scheme);
  await service.relay.publish(await service.signEvent({ kind: scheme === 'nip04' ? 23196 : 23197, created_at: now(), tags: [['p', client]], content }, walletSecret));
}

const orders = {
  invoice: async ({ msat }) => invoice(msat, 'of somebody else'),
  pay: async ({ hash, quiet }) => {
    const row = rows.get(hash);
    Object.assign(row, { state: 'settled', settled_at: now(), preimage: preimages.get(hash) });
    balance += row.amount;
    const at = Date.now() / 1000;
    if (!quiet) await notify(row);
    return { at, preimage: row.preimage };
  },
  mode: async order => { delete order.do; mode = order; return {}; },
  set: async ({ hash, state }) => { rows.get(hash).state = state; return {}; },
  state: async () => ({ requests, balance, paid: Object.fromEntries(paid) }),
};

http.createServer((request, response) => {
  let body = '';
  request.on('data', d => body += d).on('end', async () => {
    const order = JSON.parse(body);
    response.end(JSON.stringify(await orders[order.do](order)));
  });
}).listen(0, '127.0.0.1', function () {
  const uri = `nostr+walletconnect://${keys.walletPubkey}?relay=${encodeURIComponent(relayUrl)}&secret=${hex(clientSecret)}`;
  process.stdout.write(JSON.stringify({ uri, control: this.address().port, client }) + '\n');
});
