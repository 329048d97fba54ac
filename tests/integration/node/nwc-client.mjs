// A NIP-47 client that is not ours: NWCClient of @getalby/sdk.  node nwc-client.mjs URI
// Each line of stdin is a JSON array [METHOD, PARAMS]; each line of stdout the answer: ["ok", RESULT],
// ["error", CODE, MESSAGE], or ["news", NOTIFICATION] at any time.
import readline from 'node:readline';
import { WebSocket } from 'ws';

globalThis.WebSocket = WebSocket;
console.info = console.warn = console.debug = console.log = () => {};
const { NWCClient } = await import('@getalby/sdk');

const client = new NWCClient({ nostrWalletConnectUrl: process.argv[2] });
const say = (...words) => process.stdout.write(JSON.stringify(words) + '\n');
await client.subscribeNotifications(n => say('news', n));
say('ready');
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [method, params] = JSON.parse(line);
  client[method](params).then(r => say('ok', r), e => say('error', e.code ?? e.name, e.message));
}
process.exit(0);
