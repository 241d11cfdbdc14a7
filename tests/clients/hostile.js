// Clients that mean no good, or know no better. During all of it another client keeps getting its answers and its alert; the
// server's memory stays bounded, its descriptors come back, and nothing is touched that is no volume.
//
//   SEED=1 run hostile           other malformed frames and bodies; the seed is printed
//   run hostile never 'slow h'    only the attacks with that in their names
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const { fork } = require('node:child_process');
const { MB, Server, VENDOR, assert, freePort, listing, main, sleep, take, test, until } = require('./bed');

// How much memory the server may ever have. With two thousand connections, a thousand sockets and debug assertions.
const MOST_MEMORY = 256 * MB;
// The bystander's worst answer, and the time from full to its alert. Here two processors run both sides.
const PATIENCE = 5_000;

const SEED = Number(process.env.SEED ?? 20_260_128);
// So many that are malformed, beside those that a mutation leaves sound.
const FRAMES = 100_000;
const BODIES = 100_000;

const CLIENTS = 'ullage_alert_clients';
const MALFORMED = 'ullage_alert_malformed_frames_total';

// mulberry32: small, and the same everywhere.
let state = SEED >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
}
const below = (n) => Math.floor(random() * n);
const one = (list) => list[below(list.length)];
const bytes = (n) => Buffer.from(Array.from({ length: n }, () => below(256)));

// ---- raw connections

let server;

// Connects, sends, and collects what comes: `{ text, closed }` after the server closed or `ms` passed.
function raw(parts, { ms = 5_000, every = 0, enough } = {}) {
  return new Promise((resolve) => {
    const socket = net.connect(server.port, '127.0.0.1');
    let text = '';
    const end = (closed) => {
      clearTimeout(timer);
      resolve({ text, closed });
      socket.destroy();
    };
    const timer = setTimeout(() => end(false), ms);
    socket.setNoDelay(true);
    socket.on('data', (part) => {
      text += part.toString('latin1');
      if (enough?.test(text)) end(false);
    });
    socket.on('error', () => end(true));
    socket.on('close', () => end(true));
    socket.on('connect', async () => {
      for (const part of [parts].flat()) {
        if (socket.destroyed) return;
        socket.write(part, 'latin1');
        if (every) await sleep(every);
      }
    });
  });
}

// What the server itself counts.
async function metric(name) {
  const text = await (await fetch(`http://127.0.0.1:${server.metrics}/metrics`)).text();
  const found = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  assert.ok(found.length > 0, `no ${name} in the metrics`);
  return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

const head = (line, ...more) =>
  [line, 'Host: localhost', `Accept: ${VENDOR}`, `Authorization: Bearer ${server.token}`, ...more, '', ''].join('\r\n');
const statusOf = (text) => Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0);

function connected() {
  return new Promise((resolve, reject) => {
    const socket = net.connect(server.port, '127.0.0.1');
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

// A WebSocket without a library's manners.
async function upgraded() {
  const socket = await connected();
  socket.setNoDelay(true);
  const key = crypto.randomBytes(16).toString('base64');
  socket.write(head(`GET /ws/x HTTP/1.1`, 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`));
  await new Promise((resolve, reject) => {
    socket.once('data', (part) => (statusOf(part.toString('latin1')) === 101 ? resolve() : reject(new Error(part.toString('latin1')))));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed before the upgrade')));
  });
  socket.removeAllListeners('close');
  socket.removeAllListeners('error');
  socket.on('error', () => {});
  return socket;
}

function frame(opcode, payload, { fin = true, rsv = 0, masked = true, announced } = {}) {
  const length = announced ?? payload.length;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const mask = masked ? 0x80 : 0;
  let header;
  if (length < 126) header = Buffer.from([first, mask | length]);
  else if (length < 65_536) {
    header = Buffer.from([first, mask | 126, 0, 0]);
    header.writeUInt16BE(length, 2);
  } else {
    header = Buffer.concat([Buffer.from([first, mask | 127]), Buffer.alloc(8)]);
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  if (!masked) return Buffer.concat([header, payload]);
  const key = bytes(4);
  const hidden = Buffer.from(payload);
  for (let at = 0; at < hidden.length; at += 1) hidden[at] ^= key[at & 3];
  return Buffer.concat([header, key, hidden]);
}

// ---- what is malformed

const MESSAGES = ['{"event":"request_logs","args":[]}', '{"logs":["50"]}', '{"event":"send_command","args":["stop"]}', '{"event":"power","args":["kill"]}',
  '{"event":"subscribe","volumes":["default"]}', '{"event":"request_quota"}', '{"event":"auth","args":["lightd_x"]}'];
const REQUESTS = ['{"size":64,"fs":"ext4","sparse":true,"name":"x"}', '{"size":2048}', '{"ttl":"15m","remove_on_use":false}', '{"size":4096}'];

// Some valid text, with a few bytes of it cut, doubled or replaced.
function mutated(texts) {
  let text = Buffer.from(one(texts));
  for (let times = 1 + below(4); times > 0; times -= 1) {
    const at = below(text.length + 1);
    const [left, right] = [text.subarray(0, at), text.subarray(at)];
    const insert = one(['', '"', '{', '}', '[', ']', ',', ':', '\\', '\\u0000', '\\ud800', '9'.repeat(30), '-', '1e999', 'null', ' '.repeat(50), 'é', '[['.repeat(200)]);
    text = Buffer.concat([left, Buffer.from(insert), right.subarray(below(4))]);
  }
  return text;
}

// A message inside a sound frame.
function message() {
  switch (below(12)) {
    case 0: return frame(1, Buffer.from('['.repeat(below(5_000))));
    case 1: return frame(2, bytes(below(200)));
    case 2: return frame(9, bytes(below(126)));
    case 3: return frame(10, bytes(below(126)));
    case 4: return frame(1, Buffer.from(`{"event":"subscribe","volumes":[${'"..%2f..%2fetc",'.repeat(below(5))}""]}`));
    case 5: return frame(1, mutated(MESSAGES));
    // Certainly malformed, and sound as a frame: what breaks the protocol ends the connection, and all that is behind it.
    default: return frame(1, Buffer.from(one(['{', '[]', 'null', '"x"', '{"event":}', '{"event":"power"} x', ']'.repeat(below(99)), `${below(1e9)}`])));
  }
}

// What no WebSocket may send: the server may only close.
function broken() {
  switch (below(9)) {
    case 0: return frame(1, bytes(20), { masked: false });
    case 1: return frame(one([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), bytes(5));
    case 2: return frame(1, Buffer.from('{}'), { rsv: 1 + below(7) });
    case 3: return frame(1, Buffer.from([0xc3, 0x28, 0xff]));
    case 4: return frame(9, bytes(126 + below(100)));
    case 5: return Buffer.concat([frame(1, Buffer.from('{'), { fin: false }), frame(1, Buffer.from('}'))]);
    case 6: return frame(0, Buffer.from('{}'));
    case 7: return frame(1, Buffer.alloc(0), { announced: 2 ** 52 });
    default: return frame(8, Buffer.concat([Buffer.from([one([0, 3, 40]), below(256)]), bytes(below(3))]));
  }
}

// ---- the bystander

let bystander;
let volume;
const heard = { alerts: [], levels: [] };

async function attended() {
  bystander = fork(path.join(__dirname, 'program', 'bystander.js'), [server.url, server.token, volume.id]);
  process.on('exit', () => bystander.kill());
  let ready = false;
  bystander.on('message', (message) => {
    if (message.ready) ready = true;
    if (message.alert) heard.alerts.push(message.alert);
    if (message.level) heard.levels.push(message.level);
  });
  await until('the bystander is connected', () => ready);
}

function report() {
  return new Promise((resolve, reject) => {
    const look = (message) => {
      if (!message.report) return;
      bystander.off('message', look);
      resolve(message.report);
    };
    bystander.on('message', look);
    bystander.send('report');
    setTimeout(() => reject(new Error('the bystander says nothing')), 15_000).unref();
  });
}

// Fills the volume and empties it again, once: how long the alert took, in ms.
async function alert() {
  const before = heard.alerts.length;
  const levels = heard.levels.length;
  const ballast = path.join(volume.path, 'ballast');
  const { available_mb: left } = await server.get(`/volumes/${volume.id}/quota`);
  const full = await take(ballast, left - 2);
  try {
    await until("the bystander's alert", () => heard.alerts.length > before, 15_000);
  } finally {
    fs.rmSync(ballast);
  }
  await until('it is told that there is room', () => heard.levels.slice(levels).some((level) => level !== 'full'), 15_000);
  assert.equal(heard.alerts.length, before + 1, 'alerts');
  return Math.max(0, heard.alerts.at(-1) - full);
}

// Counts the attacks: one that is late ends when the next begins.
let round = 0;

// An attack as a test: the bystander is served during it, and the server is there after it.
async function attack(name, play, ms = 90_000) {
  const wanted = process.argv.slice(2);
  if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) return;
  round += 1;
  await test(name, async () => {
    await report();
    const playing = play();
    playing.catch(() => {});
    await sleep(100);
    const late = await alert();
    await playing;
    const served = await report();
    const rounded = [served.median, served.worst, late].map((one) => `${one.toFixed(0)} ms`);
    console.log(`    the bystander: ${served.count} answers, median ${rounded[0]}, worst ${rounded[1]}; alert after ${rounded[2]}; server ${
      (server.memory() / MB).toFixed(0)} MB, ${server.descriptors()} descriptors`);
    assert.deepEqual(served.errors, []);
    assert.ok(served.count > 0);
    assert.ok(served.worst < PATIENCE, `its worst answer took ${rounded[1]}`);
    assert.ok(late < PATIENCE, `its alert took ${rounded[2]}`);
    assert.equal(server.status, undefined, 'the server runs');
  }, ms);
}

// Does something `count` times, `wide` at a time; not beyond the time limit of the attack it belongs to.
async function crowd(count, wide, act) {
  const mine = round;
  let next = 0;
  const worker = async () => {
    while (next < count && round === mine) await act(next++);
  };
  await Promise.all(Array.from({ length: wide }, worker));
}

// All of them closed by the server, in time.
async function dropped(sockets, ms) {
  let open = sockets.filter((socket) => !socket.destroyed).length;
  for (const socket of sockets) {
    socket.on('close', () => (open -= 1));
    socket.resume();
  }
  await until('all are closed', () => open <= 0, ms).catch((error) => {
    throw new Error(`${error.message}: ${open} of ${sockets.length} are open`);
  });
}

main(async () => {
  console.log(`seed ${SEED} (SEED=${SEED} repeats it)`);
  const metrics = await freePort();
  server = await Server.start({ flags: ['--rate-limit', '0', '--metrics-listen', `127.0.0.1:${metrics}`] });
  server.metrics = metrics;
  volume = await server.create({ size: 320, name: 'watched', sparse: true });
  const outside = path.join(server.dir, 'outside');
  fs.mkdirSync(outside);
  fs.writeFileSync(path.join(outside, 'secret'), 'untouched');
  await attended();
  await alert();
  await sleep(500);
  const files = listing(server.dir);
  const before = { memory: server.memory(), descriptors: server.descriptors() };

  await attack('ids that look like paths', async () => {
    const up = ['..%2f', '%2e%2e/', '..%5c', '../', '..%252f', '%c0%ae%c0%ae/', '..;/', './/', '....//'];
    const goals = ['outside/secret', 'outside%2fsecret', 'etc/passwd', 'state/token', 'pool/pool.yaml', ''];
    const routes = [['GET', ''], ['GET', '/quota'], ['DELETE', ''], ['POST', '/resize'], ['GET', '/files'], ['POST', '/files']];
    const paths = up.flatMap((step) => goals.flatMap((goal) => [1, 4].map((times) => step.repeat(times) + goal)));
    paths.push('\u0000', '%00', '%', '%f', '%zz', 'x'.repeat(12_000), '/', '?', '*', 'http://[::1/', '%0d%0aX:%20y');
    const asked = paths.flatMap((one) => routes.map(([method, rest]) => [method, `/volumes/${one}${rest}`]));
    asked.push(['GET', '*'], ['OPTIONS', '*'], ['GET', 'http://elsewhere/volumes/../../etc/passwd'], ['CONNECT', 'localhost:1'],
      ['GET', '/ws/..%2f..%2fetc%2fpasswd'], ['GET', '/../../../../etc/passwd'], ['GET', '/api/v1/public/..%2f..%2f..%2fetc%2fpasswd']);
    await crowd(asked.length, 20, async (at) => {
      const [method, where] = asked[at];
      const body = method === 'POST' ? '{"size":640}' : '';
      const { text } = await raw(head(`${method} ${where} HTTP/1.1`, `Content-Length: ${body.length}`, 'Connection: close') + body);
      const status = statusOf(text);
      assert.ok(status === 0 || (status >= 400 && status < 500) || [200, 501].includes(status), `${method} ${where.slice(0, 80)}: ${text}`);
      assert.ok(!/untouched|root:/.test(text), `${method} ${where}: ${text}`);
      if (status === 200) assert.match(where, /^\*|\.\.?(\/|$)|\?/, `${method} ${where}: ${text}`);
    });
  });

  await attack('headers: huge, many, split, folded and contradictory', async () => {
    const get = 'GET /volumes HTTP/1.1';
    const post = 'POST /volumes/watched/resize HTTP/1.1';
    const close = 'Connection: close';
    const refused = [
      ['one of 1 MB', head(get, `X: ${'x'.repeat(MB)}`, close)],
      ['20000 of them', head(get, ...Array.from({ length: 20_000 }, (_, at) => `X-${at}: y`), close)],
      ['a path of 1 MB', head(`GET /${'x'.repeat(MB)} HTTP/1.1`, close)],
      ['one without an end', `${get}\r\nX: ${'x'.repeat(4 * MB)}`],
      ['two lengths', head(post, 'Content-Length: 3', 'Content-Length: 4', close) + '{}  '],
      ['a negative length', head(post, 'Content-Length: -1', close)],
      ['a length beyond all bounds', head(post, 'Content-Length: 99999999999999999999999', close)],
      ['a NUL', head(get, 'X: a\0b', close)],
      ['a bare CR', head(get, 'X: a\rb', close)],
      ['no version', 'GET /volumes\r\n\r\n'],
      ['HTTP/9.9', head('GET /volumes HTTP/9.9', close)],
      ['HTTP/2 with prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
      ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
      ['a space before the colon', head(get, 'X : y', close)],
      ['a bad chunk', head(post, 'Transfer-Encoding: chunked', close) + 'zz\r\n{}\r\n0\r\n\r\n'],
      ['a chunk beyond all bounds', head(post, 'Transfer-Encoding: chunked', close) + 'ffffffffffffffff\r\n{}'],
    ];
    for (const [what, request] of refused) {
      const { text, closed } = await raw(request, { ms: 13_000 });
      const status = statusOf(text);
      assert.ok((status >= 400 && status < 500) || status === 505 || (closed && status === 0), `${what}: ${closed ? 'closed' : 'open'} ${text.slice(0, 300)}`);
    }
    // Both lengths: never two requests out of one.
    const both = head(post, 'Content-Length: 4', 'Transfer-Encoding: chunked') + '0\r\n\r\nGET /volumes HTTP/1.1\r\n\r\n';
    const { text } = await raw(both, { ms: 2_000 });
    assert.ok((text.match(/HTTP\/1\.1 2/g) ?? []).length === 0, text);
    // Byte by byte is slow, and sound.
    const split = [...head(get, close)];
    const slow = await raw(split, { every: 5, ms: 12_000 });
    assert.equal(statusOf(slow.text), 200, slow.text);
    const fast = await raw(split);
    assert.equal(statusOf(fast.text), 200, fast.text);
    // As many as one connection may pipeline.
    const piped = await raw(head(get).repeat(500) + head(get, close), { ms: 20_000 });
    assert.equal((piped.text.match(/HTTP\/1\.1 200/g) ?? []).length, 501);
  });

  await attack(`${FRAMES} malformed frames`, async () => {
    const BATCH = 200;
    let sent = 0;
    let ended = 0;
    let counted = 0;
    const before = await metric(MALFORMED);
    // Until the server has counted as many; three times that are sent at most.
    await crowd((3 * FRAMES) / BATCH, 8, async (at) => {
      if (counted >= FRAMES) return;
      const socket = await upgraded();
      const parts = [];
      for (let count = 0; count < BATCH - 1; count += 1) parts.push(message());
      // The last one of every batch breaks the protocol, or comes with all that is before it in one go.
      parts.push(broken());
      sent += parts.length;
      const closed = new Promise((resolve) => socket.on('close', resolve));
      socket.resume();
      if (at % 2) socket.write(Buffer.concat(parts));
      else for (const part of parts) socket.write(part);
      // Nothing more comes, not even the answer to a Close.
      socket.end();
      await closed;
      ended += 1;
      if (ended % 20 === 0) counted = (await metric(MALFORMED)) - before;
    });
    counted = (await metric(MALFORMED)) - before;
    console.log(`    ${sent} frames on ${ended} sockets, of which the server counted ${counted} as malformed`);
    assert.ok(counted >= FRAMES, `${counted} malformed frames`);
  }, 300_000);

  await attack('thousands of names that nobody knows, in one frame', async () => {
    const names = Array.from({ length: 6_000 }, (_, at) => `n${at}`);
    const sockets = await Promise.all(Array.from({ length: 4 }, () => server.socket('x')));
    const began = Date.now();
    for (const socket of sockets) socket.send({ event: 'subscribe', volumes: names });
    await Promise.all(sockets.map((socket) => until('an answer', () => socket.code || socket.of('daemon_message').some(
      ({ data }) => data !== 'System out of storage'), 60_000)));
    const took = Date.now() - began;
    for (const socket of sockets) socket.ws.terminate();
    console.log(`    four times ${names.length} names: ${took} ms`);
    assert.ok(took < 5_000, `${took} ms`);
  });

  await attack(`${BODIES} malformed bodies`, async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
    const statuses = new Map();
    const made = [];
    const malformed = () => statuses.get(400) ?? 0;
    await crowd(3 * BODIES, 8, async () => {
      if (malformed() >= BODIES) return;
      const where = one(['/volumes', '/volumes/watched/resize', '/auth/tokens', '/volumes/nothing/resize']);
      const body = below(20) ? mutated(REQUESTS) : bytes(below(300));
      // A mutation can be sound: what it would make shall not exist.
      try {
        JSON.parse(body);
        return;
      } catch {
        // Malformed, as it should be.
      }
      if (body.toString().trim() === '') return;
      const { status, text } = await new Promise((resolve, reject) => {
        const headers = { Accept: VENDOR, Authorization: `Bearer ${server.token}`, 'Content-Length': body.length };
        const asking = http.request(`${server.url}${where}`, { method: 'POST', headers, agent }, (answer) => {
          let text = '';
          answer.on('data', (part) => (text += part));
          answer.on('end', () => resolve({ status: answer.statusCode, text }));
        });
        asking.on('error', reject);
        asking.end(body);
      });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status >= 500 || (where === '/volumes' && status < 300)) made.push(`${status} ${body}: ${text}`);
    });
    agent.destroy();
    console.log(`    answers: ${[...statuses].sort().map(([status, count]) => `${count} x ${status}`).join(', ')}`);
    assert.deepEqual(made, []);
    assert.ok(malformed() >= BODIES, `${malformed()} malformed bodies`);
  }, 300_000);

  await attack('bodies of 1 MiB and a byte, announced and in chunks', async () => {
    const body = Buffer.alloc(MB + 1, ' ');
    await crowd(200, 20, async (at) => {
      const line = 'POST /volumes/watched/resize HTTP/1.1';
      const parts = at % 2
        ? [head(line, `Content-Length: ${body.length}`, 'Connection: close'), body]
        : [head(line, 'Transfer-Encoding: chunked', 'Connection: close'), `${body.length.toString(16)}\r\n`, body, '\r\n0\r\n\r\n'];
      const { text, closed } = await raw(parts, { ms: 20_000 });
      // A sender that is still writing may see a reset instead of the answer.
      assert.ok(statusOf(text) === 413 || (closed && text === ''), `${closed} ${text.slice(0, 200)}`);
    });
  });

  await attack('500 slow headers and 500 slow bodies', async () => {
    const sockets = await Promise.all(Array.from({ length: 1_000 }, connected));
    for (const socket of sockets) socket.on('error', () => {});
    const drip = setInterval(() => {
      for (const socket of sockets) if (!socket.destroyed) socket.write(' ');
    }, 1_000);
    sockets.slice(0, 500).forEach((socket) => socket.write('GET /volumes HTTP/1.1\r\nX: '));
    sockets.slice(500).forEach((socket) => socket.write(head('POST /volumes/watched/resize HTTP/1.1', 'Content-Length: 1000')));
    try {
      await dropped(sockets, 30_000);
    } finally {
      clearInterval(drip);
      for (const socket of sockets) socket.destroy();
    }
  });

  await attack('2000 connections that say nothing', async () => {
    const sockets = [];
    await crowd(2_000, 50, async () => sockets.push(await connected()));
    for (const socket of sockets) socket.on('error', () => {});
    await sleep(3_000);
    console.log(`    with them: server ${(server.memory() / MB).toFixed(0)} MB, ${server.descriptors()} descriptors`);
    try {
      await dropped(sockets, 30_000);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  await attack('1000 sockets that never read', async () => {
    const sockets = [];
    const others = await metric(CLIENTS);
    await crowd(1_000, 50, async () => {
      const socket = await upgraded();
      socket.pause();
      sockets.push(socket);
    });
    console.log(`    connected: server ${(server.memory() / MB).toFixed(0)} MB, ${server.descriptors()} descriptors`);
    // A hundred of them ask all the time, and hear none of the answers.
    const ask = Buffer.concat(Array.from({ length: 500 }, () => frame(1, Buffer.from('{"event":"request_quota"}'))));
    const logs = Buffer.concat(Array.from({ length: 500 }, () => frame(1, Buffer.from('{"event":"request_logs"}'))));
    for (let round = 0; round < 20; round += 1) {
      for (const socket of sockets.slice(0, 100)) {
        if (!socket.destroyed && socket.writableLength < MB) socket.write(round % 2 ? ask : logs);
      }
      await sleep(100);
    }
    console.log(`    after 1 000 000 questions: server ${(server.memory() / MB).toFixed(0)} MB, ${server.descriptors()} descriptors`);
    await alert();
    await alert();
    // Who asks and does not read is told to go, and cut; who is only silent answers no ping.
    const began = Date.now();
    await until('all of them are closed', async () => {
      const left = (await metric(CLIENTS)) - others;
      assert.ok(left <= 0, `${left} are open`);
      return true;
    }, 150_000);
    console.log(`    all are closed after ${((Date.now() - began) / 1000).toFixed(0)} s: server ${(server.memory() / MB).toFixed(0)} MB`);
    for (const socket of sockets) socket.destroy();
  }, 240_000);

  await test('afterwards: alive, bounded, and nothing leaked or touched', async () => {
    const calm = await until('the descriptors are back', () => {
      const now = server.descriptors();
      // Two: the bystander's request may just be under way.
      return now <= before.descriptors + 2 && now;
    }, 40_000).catch((error) => {
      const open = fs.readdirSync(`/proc/${server.process.pid}/fd`).map((fd) => {
        try {
          return fs.readlinkSync(`/proc/${server.process.pid}/fd/${fd}`).replace(/\d{3,}/, 'N');
        } catch {
          return 'gone';
        }
      });
      throw new Error(`${error.message}: ${open.length}, before ${before.descriptors}: ${[...new Set(open)].slice(0, 30)}`);
    });
    const [after, peak] = [server.memory(), server.memory('VmHWM')];
    const mb = (bytes) => `${(bytes / MB).toFixed(0)} MB`;
    console.log(`    memory: before ${mb(before.memory)}, after ${mb(after)}, at most ${mb(peak)}; descriptors: before ${before.descriptors}, after ${calm}`);
    assert.ok(peak < MOST_MEMORY, `${mb(peak)} at most, and the bound is ${mb(MOST_MEMORY)}`);
    const lasting = (line) => !/^log /.test(line);
    assert.deepEqual(listing(server.dir).filter(lasting), files.filter(lasting));
    assert.equal(fs.readFileSync(path.join(outside, 'secret'), 'utf8'), 'untouched');
    assert.equal((await server.get('/volumes/watched/quota')).size_mb, 320);
    assert.ok(!/panicked/.test(server.logged()), 'a panic is in the log');
    assert.ok(server.logged().length < 20 * MB, `the log has ${mb(server.logged().length)}`);
    bystander.disconnect();
    // A busy machine lets go of a loop device late, and says so.
    await until('it is deleted', async () => (await server.ask('DELETE', '/volumes/watched')).status === 204);
    assert.equal(await server.stop(), 0);
  });
});
