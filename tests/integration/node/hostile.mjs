// A relay that means harm: node hostile.mjs PLAY PORT prints "listening PORT". What it does to whoever
// connects is the play. GET /counts says what it was sent meanwhile.
import http from 'node:http';
import { finalizeEvent, generateSecretKey } from 'nostr-tools/pure';
import { WebSocketServer } from 'ws';

const [play, port] = [process.argv[2], Number(process.argv[3] || 0)];
const counts = { connections: 0, REQ: 0, CLOSE: 0, AUTH: 0, EVENT: 0, bytes: 0 };
const key = generateSecretKey();
const now = () => Math.floor(Date.now() / 1000);
const job = more => finalizeEvent({ kind: 5970, created_at: now(), tags: [], content: '', ...more }, key);
const other = hex => (hex[0] === '0' ? '1' : '0') + hex.slice(1);
const MEGABYTE = 1 << 20;

// Sends what next() gives for as long as it gives something, as fast as the peer reads.
function flood(ws, next) {
  let n = 0;
  const more = () => {
    for (let i = 0; i < 50 && ws.readyState === ws.OPEN; i++) {
      const text = next(n++);
      if (text === undefined) return;
      ws.send(typeof text === 'string' ? text : JSON.stringify(text));
    }
    if (ws.readyState !== ws.OPEN) return;
    if (ws.bufferedAmount < MEGABYTE) setImmediate(more);
    else ws._socket.once('drain', more);
  };
  more();
}

// Frames by hand: the library sends only what is well formed.
const raw = (ws, ...bytes) => ws._socket.write(Buffer.concat(bytes.map(b => Buffer.from(b))));

const frames = (ws, [, id]) => {
  ws.send('x'.repeat(16 * MEGABYTE));
  ws.send(Buffer.alloc(16 * MEGABYTE, 1));
  ws.send('["EVENT","' + id + '",' + '['.repeat(60000));
  ws.send('["EVENT","' + id + '",{"tags":' + '['.repeat(60000) + ']'.repeat(60000) + '}]');
  raw(ws, [0x81, 4], [0xc0, 0xaf, 0xff, 0xfe]);
  raw(ws, [0x81, 0]);
  raw(ws, [0x01, 1], 'x');
  const piece = Buffer.alloc(65536, 120);
  const endless = () => {
    if (ws._socket.destroyed || counts.bytes > 256 * MEGABYTE) return;
    counts.bytes += piece.length;
    const head = Buffer.from([0x00, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    if (ws._socket.write(Buffer.concat([head, piece]))) setImmediate(endless);
    else ws._socket.once('drain', endless);
  };
  endless();
};

// By the play, what follows on a REQ; and on an EVENT or AUTH, where it is not a plain OK.
const onReq = {
  'bad-signatures': (ws, [, id]) => {
    const good = job(), forged = { ...good, sig: other(good.sig) };
    flood(ws, n => ['EVENT', id, { ...forged, id: (n + (1 << 28)).toString(16) + good.id.slice(8) }]);
  },
  'forged-signatures': (ws, [, id]) => {
    const all = Array.from({ length: 300 }, (_, n) => job({ content: `${n}` })).map(e => ({ ...e, sig: other(e.sig) }));
    flood(ws, n => ['EVENT', id, all[n % all.length]]);
  },
  'not-asked-for': (ws, [, id]) => {
    const all = Array.from({ length: 300 }, (_, n) => job({ kind: 1, content: `${n}` }));
    flood(ws, n => ['EVENT', id, n % 2 ? all[n % all.length] : { ...all[n % all.length], kind: 2 }]);
  },
  'unknown-subscriptions': ws => {
    const event = job();
    flood(ws, n => ['EVENT', ['who', '0-999999', '63-1', '0-1p', '-1--1', '4294967295-1'][n % 6], event]);
  },
  'large-events': (ws, [, id]) => {
    const all = Array.from({ length: 1500 }, (_, n) => job({ kind: 1, content: `${n}` + 'x'.repeat(100000) }));
    flood(ws, n => (n < all.length ? ['EVENT', id, all[n]] : undefined));
  },
  'same-id': (ws, [, id]) => {
    const event = job({ content: 'the true one' });
    ws.send(JSON.stringify(['EVENT', id, { ...event, content: 'a lie' }]));
    ws.send(JSON.stringify(['EVENT', id, event]));
    flood(ws, n => (n < 2000 ? ['EVENT', id, { ...event, content: `lie ${n}` }] : undefined));
  },
  'time-travel': (ws, [, id]) => {
    for (const created_at of [0, 1, now() - 86400 * 365, now() + 86400 * 365, 253402300799, Number.MAX_SAFE_INTEGER])
      ws.send(JSON.stringify(['EVENT', id, job({ created_at, content: `${created_at}` })]));
    ws.send('["EOSE","' + id + '"]');
  },
  'lying-ends': (ws, [, id]) => flood(ws, n => ['EOSE', n % 2 ? id : 'who']),
  'closed-storm': (ws, [, id]) => flood(ws, () => ['CLOSED', id, 'blocked: go away']),
  'answers-to-nothing': ws =>
    flood(ws, n => ['OK', (n + (1 << 28)).toString(16).repeat(8), n % 2 === 0, 'auth-required: who']),
  'closed-slower': (ws, [, id]) => ws.send(JSON.stringify(['CLOSED', id, 'rate-limited: slow down'])),
  'notice-storm': ws => flood(ws, () => ['NOTICE', '\u001b[2J'.repeat(100)]),
  'endless-auth': (ws, [, id]) => {
    ws.send(JSON.stringify(['CLOSED', id, 'auth-required: who are you']));
    if (!ws.storm) ws.storm = setInterval(() => ws.send(JSON.stringify(['AUTH', `challenge ${Math.random()}`])), 1);
  },
  'auth-that-never-helps': (ws, [, id]) => {
    if (!ws.asked) ws.send(JSON.stringify(['AUTH', 'once']));
    ws.asked = true;
    ws.send(JSON.stringify(['CLOSED', id, 'auth-required: who are you']));
  },
  frames,
  silent: () => {},
};

const onEvent = {
  'auth-that-never-helps': (ws, id) => ws.send(JSON.stringify(['OK', id, false, 'auth-required: who are you'])),
  // Only the first event is refused so, for ever; the others are taken.
  'auth-for-one': (ws, id) => {
    if (!ws.asked) ws.send(JSON.stringify(['AUTH', 'once']));
    ws.asked = true;
    counts.refused ??= id;
    ws.send(JSON.stringify(['OK', id, id !== counts.refused, id === counts.refused ? 'auth-required: who are you' : '']));
  },
  'auth-without-challenge': (ws, id) => ws.send(JSON.stringify(['OK', id, false, 'auth-required: who are you'])),
  'lying-answers': (ws, id) => {
    for (let n = 0; n < 1000; n++)
      ws.send(JSON.stringify(['OK', (n + (1 << 28)).toString(16).repeat(8), true, '']));
    for (const said of ['rate-limited: x', 'error: x', 'nonsense', '', 'auth-required: x', 'pow: x', 'blocked: x'])
      ws.send(JSON.stringify(['OK', id, false, said]));
    ws.send(JSON.stringify(['OK', id, true, '']));
    ws.send(JSON.stringify(['OK', id, true, '']));
  },
  silent: () => {},
};

function onMessage(ws, data) {
  const message = JSON.parse(data.toString());
  counts[message[0]]++;
  if (message[0] === 'REQ') (onReq[play] ?? ((_, [, id]) => ws.send(JSON.stringify(['EOSE', id]))))(ws, message);
  if (message[0] === 'AUTH') ws.send(JSON.stringify(['OK', message[1].id, true, '']));
  if (message[0] === 'EVENT')
    (onEvent[play] ?? ((_, id) => ws.send(JSON.stringify(['OK', id, true, '']))))(ws, message[1].id);
}

const server = http.createServer((_, response) => response.end(JSON.stringify(counts)));
const sockets = new WebSocketServer({ noServer: true });
server.on('upgrade', (request, socket, head) => {
  counts.connections++;
  socket.on('error', () => {});
  if (play === 'slow-upgrade') {
    const answer = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX: ' + 'x'.repeat(10000);
    let n = 0;
    const drip = setInterval(() => (socket.destroyed ? clearInterval(drip) : socket.write(answer[n++])), 100);
    return;
  }
  if (play === 'no-websocket') {
    socket.write('HTTP/1.1 200 OK\r\nX: ' + 'x'.repeat(65536) + '\r\n\r\n');
    return;
  }
  if (play === 'endless-head') {
    const more = () => !socket.destroyed && (socket.write('X: ' + 'x'.repeat(4000) + '\r\n') ? setImmediate(more) : socket.once('drain', more));
    socket.write('HTTP/1.1 101 Switching Protocols\r\n');
    more();
    return;
  }
  sockets.handleUpgrade(request, socket, head, ws => {
    ws.on('error', () => {});
    ws.on('close', () => clearInterval(ws.storm));
    if (play === 'close-at-once') return ws.close(1013, 'try again '.repeat(10));
    if (play === 'cut-at-once') return ws.terminate();
    if (play === 'half-frame') return raw(ws, [0x81, 126, 0x10], '[');
    ws.on('message', data => onMessage(ws, data));
  });
});
server.listen(port, '127.0.0.1', () => console.log('listening', server.address().port));
