// The bed of the scripts beside it: a server over a scratch pool, ways to ask it, and the count of what holds.
'use strict';

const assert = require('node:assert/strict');
const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const { promisify } = require('node:util');
const WebSocket = require('ws');

const { SCRATCH, ULLAGE } = process.env;
const VENDOR = 'Application/vnd.pkglatv1+json';
const MB = 1024 * 1024;

const run = promisify(execFile);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Until something holds; what it then is. Errors count as "not yet".
async function until(what, holds, ms = 10_000) {
  const end = Date.now() + ms;
  let last;
  for (;;) {
    try {
      last = undefined;
      const value = await holds();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not so after ${ms} ms: ${what}${last ? `: ${last.message}` : ''}`);
    await sleep(20);
  }
}

// ---- counting

let passed = 0;
let failed = 0;

// Runs one test; one that fails stops no other. The time limit is for tests that hang: none takes that long.
async function test(name, holds, ms = 60_000) {
  const began = Date.now();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${ms} ms`)), ms);
  });
  try {
    await Promise.race([holds(), late]);
    passed += 1;
    console.log(`test ${name} ... ok (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.log(`test ${name} ... FAILED\n${String(error.stack ?? error).replace(/^/gm, '    ')}`);
  } finally {
    clearTimeout(timer);
  }
}

// Runs a whole script: its servers are stopped, its counts printed. `run` takes the rest away.
async function main(script) {
  try {
    await script();
  } catch (error) {
    failed += 1;
    console.log(`test of the script itself ... FAILED\n${String(error.stack ?? error).replace(/^/gm, '    ')}`);
  }
  for (const server of servers) await server.stop().catch(() => server.process.kill('SIGKILL'));
  if (failed && servers.length) {
    for (const server of servers) console.log(`the end of ${server.name}'s log:\n${server.logged().slice(-2000)}`);
  }
  console.log(`\ntest result: ${failed ? 'FAILED' : 'ok'}. ${passed} passed; ${failed} failed; 0 ignored`);
  process.exit(failed ? 1 : 0);
}

// ---- the server

const servers = [];

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

// `ullage standalone` over SCRATCH/NAME. Started again, it serves the same.
class Server {
  constructor(name, port, flags) {
    Object.assign(this, { name, port, flags, dir: path.join(SCRATCH, name) });
    this.state = path.join(this.dir, 'state');
    this.pool = path.join(this.dir, 'pool');
    this.mounts = path.join(this.dir, 'mnt');
    this.log = path.join(this.dir, 'log');
    this.url = `http://127.0.0.1:${port}`;
    this.urls = { localhost: `http://localhost:${port}`, IPv4: this.url, IPv6: `http://[::1]:${port}` };
  }

  static async start({ name = 'server', port, flags = [], token } = {}) {
    const server = new Server(name, port ?? (await freePort()), flags);
    server.given = token; // in a file of its own
    fs.mkdirSync(server.dir, { recursive: true });
    servers.push(server);
    await server.start();
    return server;
  }

  async start() {
    this.status = undefined;
    const log = fs.openSync(this.log, 'a');
    const words = ['standalone', '--pool', this.pool, '--socket', path.join(this.dir, 'csi.sock')];
    words.push('--state-dir', this.state, '--mount-dir', this.mounts);
    words.push('--listen', `127.0.0.1:${this.port}`, '--listen', `[::1]:${this.port}`, ...this.flags);
    this.process = spawn(ULLAGE, words, { stdio: ['ignore', log, log], cwd: this.dir });
    fs.closeSync(log);
    fs.appendFileSync(path.join(SCRATCH, 'pids'), `${this.process.pid}\n`);
    this.ended = new Promise((resolve) => {
      this.process.once('exit', (code, signal) => {
        this.status = code ?? signal;
        resolve(this.status);
      });
      this.process.once('error', (error) => {
        this.status = error.message;
        resolve(this.status);
      });
    });
    await until('the server answers', async () => {
      if (this.status !== undefined) throw new Error(`it ended (${this.status}): ${this.logged().slice(-500)}`);
      return (await fetch(`${this.url}/api/v1/public/ping`)).ok;
    }, 15_000);
    // Probe says so when what was mounted is mounted again.
    this.token = this.given ?? (await this.masterToken());
    await until('it serves its pool', async () => (await this.ask('GET', '/volumes')).status === 200);
  }

  // Ends it, as a service manager does; what it ended with.
  async stop(signal = 'SIGTERM') {
    if (this.status !== undefined) return this.status;
    this.process.kill(signal);
    const late = sleep(20_000).then(() => {
      throw new Error(`${this.name} does not end on ${signal}`);
    });
    late.catch(() => {});
    return Promise.race([this.ended, late]);
  }

  async masterToken() {
    const { stdout } = await run(ULLAGE, ['token', 'what', '--state-dir', this.state]);
    return /lightd_\S+/.exec(stdout)[0];
  }

  logged() {
    return fs.readFileSync(this.log, 'utf8');
  }

  // One line of /proc/PID/status, in bytes.
  memory(line = 'VmRSS') {
    const text = fs.readFileSync(`/proc/${this.process.pid}/status`, 'utf8');
    return Number(new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(text)[1]) * 1024;
  }

  descriptors() {
    return fs.readdirSync(`/proc/${this.process.pid}/fd`).length;
  }

  // Asks in the documented way; headers that are `null` are left out.
  ask(method, where, { body, token = this.token, headers = {}, url = this.url } = {}) {
    const all = { Accept: VENDOR, Authorization: token && `Bearer ${token}`, ...headers };
    const text = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    if (text !== undefined) all['Content-Type'] ??= 'application/json';
    return request(method, `${url}${where}`, all, text);
  }

  // The same, where it must succeed: the body.
  async get(where) {
    return must(await this.ask('GET', where));
  }

  async create(body) {
    return must(await this.ask('POST', '/volumes', { body }));
  }

  // A socket with the master token, connected.
  socket(id = 'my-server', { token = this.token, url = this.url, ...options } = {}) {
    const query = token ? `?token=${token}` : '';
    return Socket.open(`${url.replace('http', 'ws')}/ws/${id}${query}`, options);
  }
}

function must(answer) {
  assert.ok(answer.status < 300, `${answer.status}: ${answer.text}`);
  return answer.json;
}

// Node's own client and not fetch: it sends any path and any header as it is.
function request(method, url, headers, body) {
  const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== null && value !== undefined));
  const { hostname, port } = new URL(url);
  // Not url.pathname: it makes `..%2f` and `//` into something else.
  const where = url.slice(url.indexOf('/', url.indexOf('//') + 2));
  return new Promise((resolve, reject) => {
    const options = { method, host: hostname.replace(/^\[|\]$/g, ''), port, path: where, headers: given, agent: false };
    const asking = http.request(options, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(parts).toString();
        let json;
        try {
          json = JSON.parse(text);
        } catch {
          // Whoever wants JSON sees that there is none.
        }
        resolve({ status: answer.statusCode, headers: answer.headers, text, json });
      });
    });
    asking.on('error', reject);
    if (Array.isArray(body)) {
      for (const part of body) asking.write(part);
      asking.end();
    } else {
      asking.end(body);
    }
  });
}

// ---- sockets

// A WebSocket that keeps every frame it was sent, with the time.
class Socket {
  static open(url, { headers, protocols = [] } = {}) {
    return new Promise((resolve, reject) => {
      const socket = new Socket();
      socket.frames = [];
      socket.ws = new WebSocket(url, protocols, { headers, perMessageDeflate: false });
      socket.closed = new Promise((closed) => {
        socket.ws.on('close', (code, reason) => {
          socket.code = code;
          closed({ code, reason: reason.toString(), at: Date.now() });
        });
      });
      socket.ws.on('message', (text) => socket.frames.push({ at: Date.now(), ...JSON.parse(text) }));
      socket.ws.on('open', () => {
        socket.opened = Date.now();
        resolve(socket);
      });
      socket.ws.on('error', reject);
      socket.ws.on('unexpected-response', (_, answer) => {
        let text = '';
        answer.on('data', (part) => (text += part));
        answer.on('end', () => reject(Object.assign(new Error(`refused: ${answer.statusCode} ${text}`), {
          status: answer.statusCode,
          headers: answer.headers,
          text,
        })));
      });
    });
  }

  of(event, holds = () => true) {
    return this.frames.filter((frame) => frame.event === event && holds(frame));
  }

  alerts() {
    return this.of('daemon_message', (frame) => frame.data === 'System out of storage');
  }

  // A level that was entered; a reminder enters none.
  levels(state) {
    return this.of('storage', ({ data }) => data.state === state && !data.reminder && !data.repeated);
  }

  wait(what, holds, ms = 5_000) {
    return until(what, () => holds(this), ms);
  }

  send(message) {
    this.ws.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  // Within a time limit.
  async end(ms = 5_000) {
    const late = sleep(ms).then(() => {
      throw new Error(`not closed after ${ms} ms`);
    });
    late.catch(() => {});
    return Promise.race([this.closed, late]);
  }

  async close() {
    this.ws.close();
    await this.closed;
  }
}

// ---- volumes

// What an application does that has gone wild: writes until the kernel says no.
async function dd(file, { mb } = {}) {
  const words = ['if=/dev/zero', `of=${file}`, 'bs=1M', ...(mb ? [`count=${mb}`] : [])];
  await run('dd', words).catch((error) => {
    if (mb || !/No space left/.test(error.stderr)) throw error;
  });
  return Date.now();
}

// Takes room without writing it: the filesystem counts it as used, and no disk has to be waited for.
async function take(file, mb) {
  await run('fallocate', ['-l', `${mb}M`, file]);
  return Date.now();
}

const mounted = (place) => fs.readFileSync('/proc/self/mounts', 'utf8').split('\n').some((line) => line.split(' ')[1] === place);

async function loops(server) {
  const { stdout } = await run('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE']);
  return stdout.split('\n').filter((line) => line.includes(`${server.dir}/`));
}

// Every file and directory below a place with its size, without what is in the volumes themselves.
function listing(place) {
  const found = [];
  const visit = (at) => {
    for (const entry of fs.readdirSync(at, { withFileTypes: true })) {
      const one = path.join(at, entry.name);
      found.push(`${path.relative(place, one)} ${entry.isFile() ? fs.statSync(one).size : ''}`);
      if (entry.isDirectory() && !mounted(one)) visit(one);
    }
  };
  visit(place);
  return found.sort();
}

module.exports = {
  MB, SCRATCH, ULLAGE, VENDOR, Server, Socket, assert, dd, freePort, listing, loops, main, mounted, must, request, run, sleep, take, test, until,
};
