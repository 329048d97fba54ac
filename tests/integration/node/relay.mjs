// A relay that is not ours: @nostr-relay/core speaks and verifies, the events live in a file of JSON
// lines which the tests read.
//
//   node relay.mjs PORT FILE            prints "listening PORT" when it is ready
//
// Besides Nostr it takes orders from a test over HTTP:
//   POST /inject     the body goes as one frame to every client with a subscription; SUB in it
//                    becomes the id of that subscription. ?binary=1 sends it as a binary frame.
//   POST /drop       cuts every connection
//   GET  /clients    how many are connected, and their filters
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { NostrRelay } = require('@nostr-relay/core');
const { createOutgoingNoticeMessage, EventRepository, EventUtils, LogLevel } = require('@nostr-relay/common');
const { Validator } = require('@nostr-relay/validator');
const { WebSocketServer } = require('ws');

// What the library leaves out of its own isMatchingFilter(): "#e" and the like.
const hasTags = (e, filter) => Object.entries(filter).every(([key, values]) =>
  key[0] !== '#' || e.tags.some(([name, value]) => name === key.slice(1) && values.includes(value)));

class FileRepository extends EventRepository {
  constructor(file) {
    super();
    this.events = new Map();
    this.file = file;
    if (fs.existsSync(file))
      for (const line of fs.readFileSync(file, 'utf8').split('\n')) if (line) this.add(JSON.parse(line));
  }
  isSearchSupported() { return false; }
  address(e) {
    const d = EventUtils.extractDTagValue(e);
    return d === null ? null : `${e.kind}:${e.pubkey}:${d}`;
  }
  add(e) {
    if (this.events.has(e.id)) return false;
    const address = this.address(e);
    if (address !== null)
      for (const old of this.events.values())
        if (this.address(old) === address) {
          if (old.created_at > e.created_at || (old.created_at === e.created_at && old.id < e.id)) return false;
          this.events.delete(old.id);
        }
    this.events.set(e.id, e);
    return true;
  }
  async upsert(e) {
    if (!this.add(e)) return { isDuplicate: true };
    fs.appendFileSync(this.file, JSON.stringify(e) + '\n');
    return { isDuplicate: false };
  }
  async find(filter) {
    return [...this.events.values()].filter(e => EventUtils.isMatchingFilter(e, filter) && hasTags(e, filter))
      .sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1)).slice(0, filter.limit ?? 500);
  }
  // The lines stay in the file: the tests want to see what was ever accepted.
  async deleteByDeletionRequest(request) {
    for (const [name, id] of request.tags)
      if (name === 'e' && this.events.get(id)?.pubkey === request.pubkey) this.events.delete(id);
    await this.upsert(request);
    await relay.broadcast(request); // NIP-09: relays should go on publishing them; this one forgets to
  }
  async destroy() {}
}

const [port, file] = [Number(process.argv[2] || 0), process.argv[3]];
const repository = new FileRepository(file);
// Both caches off: with the defaults a REQ repeated within a second answers from a stale cache.
const relay = new NostrRelay(repository, { filterResultCacheTtl: 0, eventHandlingResultCacheTtl: 0,
  maxSubscriptionsPerClient: 100, logLevel: LogLevel.ERROR });
const validator = new Validator({ maxFilterKindsLength: 256, maxContentLength: 512 * 1024 });
const subscriptions = new Map();

function orders(url, body) {
  const clients = [...subscriptions];
  if (url.pathname === '/drop') for (const [ws] of clients) ws.terminate();
  if (url.pathname === '/inject')
    for (const [ws, filters] of clients)
      for (const id of filters.keys())
        ws.send(url.searchParams.has('binary') ? body : body.toString().replaceAll('SUB', id));
  return clients.map(([, filters]) => Object.fromEntries(filters));
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', c => chunks.push(c));
  request.on('end', () => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(orders(new URL(request.url, 'http://localhost'), Buffer.concat(chunks))));
  });
});
const sockets = new WebSocketServer({ server, maxPayload: 1 << 20 });
sockets.on('connection', (ws, request) => {
  subscriptions.set(ws, new Map());
  relay.handleConnection(ws, request.socket.remoteAddress);
  ws.on('message', async data => {
    try {
      const message = await validator.validateIncomingMessage(data);
      if (message[0] === 'REQ') subscriptions.get(ws)?.set(message[1], message.slice(2));
      if (message[0] === 'CLOSE') subscriptions.get(ws)?.delete(message[1]);
      await relay.handleMessage(ws, message);
    } catch (e) {
      ws.send(JSON.stringify(createOutgoingNoticeMessage(e.message)));
    }
  });
  ws.on('close', () => { subscriptions.delete(ws); relay.handleDisconnect(ws); });
  ws.on('error', () => {});
});
server.listen(port, '127.0.0.1', () => console.log('listening', server.address().port));
process.on('SIGTERM', () => process.exit(0));
